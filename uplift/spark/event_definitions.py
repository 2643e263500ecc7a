"""What every summary of events means, in one place, for whoever computes it and however.

A summary is a formula over whole numbers (its parts) about a unit's events of one type in the
window ``as_of + from_day <= event_at < as_of + to_day``. A day is 24 hours. Parts are 64-bit
integers, so they do not depend on the order or the grouping in which events are added, and each
formula rounds once: whoever finds the same parts has the same feature to the last bit.

=========  ===========================================  ==========================================
aggregate  value, in doubles                            a unit without such an event
=========  ===========================================  ==========================================
count      ``n``                                        0
sum        ``total / 1e6``                              0
mean       ``total / (n_valued * 1e6)``                 null, also without a value
max        ``highest / 1e6``                            null, also without a value
min        ``lowest / 1e6``                             null, also without a value
recency    ``(as_of - last_us) / day`` in us            null
distinct   ``n_distinct``                               0
trend      ``(n - n_before) / days``                    0
=========  ===========================================  ==========================================

``n`` counts events, ``n_valued`` those whose value is not null; ``total``, ``highest`` and
``lowest`` are of ``millionths(value)``, the value as whole millionths, half to even; ``n_distinct``
counts different millionths; ``last_us`` is the time of the latest event. ``n_before`` is ``n`` in
the window of the same length that ends where this one starts: a trend is in events per day, and
looks back twice as far as it says. Two events repeat each other if unit, type, time to the
microsecond and millionths are equal, null being equal to null.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from uplift.config import Aggregate
from uplift.features.spec import EventColumn
from uplift.features.windows import Part

DAY_US = 86_400_000_000
MILLION = 1e6
LARGEST_VALUE = 1e10  # an int64 total of millionths holds 900 of them, or 900 million of 10,000


@dataclass(frozen=True)
class EventSummary:
    """One number from a unit's events of one type, from ``from_day`` up to before ``to_day``."""

    name: str
    event_type: str
    aggregate: Aggregate
    from_day: int
    to_day: int


@dataclass(frozen=True)
class EventPart:
    """One whole number about a unit's events of one type in a window of days."""

    event_type: str
    part: Part
    from_day: int
    to_day: int


_PARTS: dict[Aggregate, tuple[Part, ...]] = {
    "count": ("n",),
    "sum": ("total",),
    "mean": ("total", "n_valued"),
    "max": ("highest",),
    "min": ("lowest",),
    "recency": ("last_us",),
    "distinct": ("n_distinct",),
    "trend": ("n",),
}


def feature_summaries(declared: Sequence[EventColumn]) -> list[EventSummary]:
    """The summaries behind features: windows that end before the as-of time."""
    return [
        EventSummary(c.name, c.event_type, c.aggregate, from_day=-c.window_days, to_day=0)
        for c in declared
    ]


def parts_of(summary: EventSummary) -> list[EventPart]:
    """The parts that ``finished`` needs, in its order.

    Examples:
        >>> trend = EventSummary("trend", "visit", "trend", from_day=-7, to_day=0)
        >>> [(part.part, part.from_day, part.to_day) for part in parts_of(trend)]
        [('n', -7, 0), ('n', -14, -7)]
    """
    kind, first, end = summary.event_type, summary.from_day, summary.to_day
    parts = [EventPart(kind, part, first, end) for part in _PARTS[summary.aggregate]]
    if summary.aggregate == "trend":
        parts.append(EventPart(kind, "n", first - (end - first), first))
    return parts


def finished(summary: EventSummary, parts: Sequence[Column], *, as_of_us: Column) -> Column:
    """The summary as a double.

    Args:
        summary: What it is.
        parts: The columns of ``parts_of(summary)``: bigint, null only where the table above says
            so or, for counts and totals, never.
        as_of_us: The unit's as-of time in microseconds since 1970.
    """
    first = parts[0]
    match summary.aggregate:
        case "count" | "distinct":
            return first.cast("double")
        case "sum" | "max" | "min":
            return first / F.lit(MILLION)
        case "mean":
            return F.try_divide(first, parts[1] * F.lit(MILLION))
        case "recency":
            return (as_of_us - first) / F.lit(DAY_US)
        case "trend":
            return (first - parts[1]) / F.lit(summary.to_day - summary.from_day)


def millionths(value: Column) -> Column:
    """A value as whole millionths, half to even; null stays null."""
    return F.rint(value.cast("double") * F.lit(MILLION)).cast("bigint")
