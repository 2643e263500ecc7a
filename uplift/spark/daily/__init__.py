"""Nights that cost a day: events are folded once, and running totals move on by one day.

The features of a night are sums over windows of whole UTC days, so three things suffice:

1. *Parts* (``fold``): the events of each file become, once, one row per unit, event type and day. A
   day is a list of immutable parts; a file that comes late adds a part to the days it touches. The
   *ledger* (``ledger``) knows which file holds which days and which parts make up a day. It is one
   JSON document and turns by rename, after its parts are complete: a crash leaves the old ledger
   and stray folders, which the next fold removes.
2. *Running totals* (``totals``): per unit, what every window held as of midnight. Tonight's are
   last night's, plus the parts that entered, minus for each window the days that left it.
3. *Features* (``finish``): each summary from the totals, by the arithmetic of
   ``uplift.spark.event_features``.

Everything is exact. Counts and sums are integers, so what was added can be taken away again to the
last bit. A highest or lowest value cannot be taken away; in place of it the totals keep its
staircase: the days whose value no later day reaches, of which the oldest one inside a window is the
answer for that window. Different values are kept with the day they were last seen. Both answer
every window, shrink from the old end, and never need the days that left.

What was weighed: features straight from a year of daily rows still read the year, and rows are
hardly fewer than events where a customer does one thing a day. Blocks of 1, 2, 4, ... days answer
any window without subtracting, but the long blocks hold almost every customer, so a night reads
several times the totals' rows. Recomputing the extremes of those customers whose leaving day could
matter touches most customers: each of four windows loses a day every night.

Measured on two shared cores, a year of history in daily files, one in a hundred events a day late:
at 10 million events and 167,000 customers a night took 18 s, folding everything and features from
raw events 272 s (15 times as long), features from raw alone 64 s. At 3 million events, where the
fixed cost of the jobs weighs more, 25 s against 119 s (5 times).

A changed or deleted file cannot be told apart in the totals, so its days are folded anew and the
totals rebuilt from the parts; late files are only additions and cost what they hold. Every rebuild
comes with its reason. There is one writer at a time.
"""
