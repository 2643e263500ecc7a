import re
from dataclasses import replace

import pytest

from uplift.spark.daily.demand import demand_of
from uplift.spark.daily.ledger import digest
from uplift.spark.daily.night import TotalsRecord, next_step
from uplift.spark.event_features import EventSummary

DEMAND = demand_of([EventSummary(f"sum_{n}", "buy", "sum", from_day=-n, to_day=0) for n in (7, 30)])
PARTS = {day: (f"p{day}",) for day in range(50, 101)}
AT_100 = TotalsRecord("t", 100, digest(DEMAND), {day: PARTS[day] for day in range(70, 100)})


def step(parts=PARTS, until=101, record=AT_100, demand=DEMAND):
    return next_step(record, parts, demand=demand, until=until)


def test_a_night_adds_a_day_and_takes_one_from_each_window():
    found = step()
    assert (found.kind, found.reason) == ("advance", "")
    assert found.entering == {100: ("p100",)}
    assert found.leaving == {93: ("p93",), 70: ("p70",)}


def test_two_nights_at_once_take_two_days_from_each_window():
    found = step(until=102)
    assert set(found.leaving) == {70, 71, 93, 94}


def test_a_late_part_enters_without_anything_else():
    late = {**PARTS, 80: ("p80", "late")}
    found = step(late, until=100)
    assert (found.kind, found.entering, found.leaving) == ("advance", {80: ("late",)}, {})


def test_a_part_older_than_every_window_changes_nothing():
    assert step({**PARTS, 50: ("p50", "late")}, until=100).kind == "keep"


def test_the_same_night_again_keeps_the_totals():
    assert step(until=100).kind == "keep"


def test_an_event_ahead_of_tonight_waits_for_its_day():
    assert step({**PARTS, 107: ("early",)}, until=100).kind == "keep"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"record": None}, "no running totals yet"),
        ({"record": replace(AT_100, demand="other")}, "other windows or aggregates"),
        ({"until": 99}, "1970-04-11, a later day"),
        ({"parts": {**PARTS, 80: ("new",)}}, "1 days in a window were folded anew.*1970-03-22"),
        ({"parts": {d: n for d, n in PARTS.items() if d != 70}}, "folded anew.*1970-03-12"),
        ({"until": 117}, "so many days"),
    ],
)
def test_totals_are_built_anew_with_a_reason(changed, reason):
    found = step(**changed)
    assert found.kind == "rebuild"
    assert found.leaving == {}
    until = changed.get("until", 101)
    assert set(found.entering) <= set(range(until - 30, until))
    assert re.search(reason, found.reason)
