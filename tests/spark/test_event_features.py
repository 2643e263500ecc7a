from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uplift.errors import ContractError
from uplift.features.spec import EventColumn
from uplift.spark.event_features import (
    EventSummary,
    add_event_summaries,
    feature_summaries,
    require_events,
)

pytestmark = pytest.mark.spark

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
AGGREGATES = ("count", "sum", "mean", "max", "min", "recency")


def units_frame(spark, units):
    return spark.createDataFrame(units, "unit_id string, now timestamp")


def events_frame(spark, events):
    schema = "unit_id string, event_type string, event_at timestamp, value double"
    return spark.createDataFrame(events, schema)


def summarise(spark, events, summaries, units=(("ann", NOW),)):
    """Unit -> {name: value}."""
    frame = add_event_summaries(
        units_frame(spark, list(units)), events_frame(spark, events), summaries, as_of="now"
    )
    rows = [row.asDict() for row in frame.collect()]
    return {row["unit_id"]: {s.name: row[s.name] for s in summaries} for row in rows}


def last_week(aggregate, event_type="buy"):
    return EventSummary(aggregate, event_type, aggregate, from_day=-7, to_day=0)


def test_every_aggregate_by_head(spark):
    events = [
        ("ann", "buy", NOW - 2 * DAY, 3.0),
        ("ann", "buy", NOW - 4 * DAY, 5.0),
        ("ann", "buy", NOW - 5 * DAY, None),
        ("ann", "visit", NOW - DAY, 100.0),
        ("bob", "buy", NOW - DAY, 100.0),
    ]
    found = summarise(spark, events, [last_week(aggregate) for aggregate in AGGREGATES])
    assert found["ann"] == {
        "count": 3.0,
        "sum": 8.0,
        "mean": 4.0,
        "max": 5.0,
        "min": 3.0,
        "recency": 2.0,
    }


def test_a_silent_unit_has_count_and_sum_zero_and_the_rest_null(spark):
    summaries = [last_week(aggregate) for aggregate in AGGREGATES]
    elsewhere = [("ann", "buy", NOW - 8 * DAY, 1.0), ("bob", "visit", NOW - DAY, 1.0)]
    units = [("ann", NOW), ("bob", NOW), ("cleo", NOW)]
    silence = {"count": 0.0, "sum": 0.0, "mean": None, "max": None, "min": None, "recency": None}
    found = summarise(spark, elsewhere, summaries, units)
    assert found == {"ann": silence, "bob": silence, "cleo": silence}


def test_a_window_includes_its_start_and_excludes_the_as_of_time(spark):
    marks = {NOW: 1.0, NOW - TICK: 10.0, NOW - 7 * DAY: 100.0, NOW - 7 * DAY - TICK: 1000.0}
    events = [("ann", "buy", at, value) for at, value in marks.items()]
    assert summarise(spark, events, [last_week("sum")]) == {"ann": {"sum": 110.0}}


def test_a_window_ahead_includes_the_as_of_time_and_excludes_its_end(spark):
    marks = {NOW - TICK: 1.0, NOW: 10.0, NOW + 7 * DAY - TICK: 100.0, NOW + 7 * DAY: 1000.0}
    events = [("ann", "buy", at, value) for at, value in marks.items()]
    ahead = EventSummary("sum", "buy", "sum", from_day=0, to_day=7)
    assert summarise(spark, events, [ahead]) == {"ann": {"sum": 110.0}}


def test_each_unit_has_its_own_as_of_time(spark):
    events = [(unit, "buy", NOW, 1.0) for unit in ("ann", "bob")]
    units = [("ann", NOW), ("bob", NOW + DAY)]
    found = summarise(spark, events, [last_week("count")], units)
    assert found == {"ann": {"count": 0.0}, "bob": {"count": 1.0}}


def test_a_day_is_24_hours_whatever_the_time_zone_of_the_session(spark):
    spring_forward = datetime(2026, 3, 29, 12, tzinfo=UTC)
    events = [("ann", "buy", spring_forward - DAY, 1.0)]
    yesterday = EventSummary("count", "buy", "count", from_day=-1, to_day=0)
    zone = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
    try:
        found = summarise(spark, events, [yesterday], [("ann", spring_forward)])
    finally:
        spark.conf.set("spark.sql.session.timeZone", zone)
    assert found == {"ann": {"count": 1.0}}


def test_a_repeated_event_counts_as_often_as_it_was_logged(spark):
    events = [("ann", "buy", NOW - DAY, 2.0)] * 2
    found = summarise(spark, events, [last_week("count"), last_week("sum")])
    assert found == {"ann": {"count": 2.0, "sum": 4.0}}


def test_a_sum_is_exact_so_the_order_of_events_cannot_change_it(spark):
    values = [0.1, 0.2, 0.3, 1e9, -1e9]
    events = [("ann", "buy", NOW - DAY, value) for value in values]
    forward = summarise(spark, events, [last_week("sum"), last_week("mean")])
    assert forward == {"ann": {"sum": 0.6, "mean": 0.12}}
    assert summarise(spark, events[::-1], [last_week("sum"), last_week("mean")]) == forward


def test_names_with_dots_are_names(spark):
    declared = [EventColumn("app.visit_count_7d", "app.visit", "count", window_days=7)]
    events = [("ann", "app.visit", NOW - DAY, None)]
    found = summarise(spark, events, feature_summaries(declared))
    assert found == {"ann": {"app.visit_count_7d": 1.0}}


def test_without_summaries_the_units_come_back_as_they_are(spark):
    units = units_frame(spark, [("ann", NOW)])
    assert add_event_summaries(units, events_frame(spark, []), [], as_of="now") is units


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ((None, "buy", NOW, 1.0), "1 of 2 rows of log lack one of unit_id, event_type, event_at"),
        (("bob", "buy", None, 1.0), "1 of 2 rows of log lack one of"),
        (("bob", None, NOW, 1.0), "1 of 2 rows of log lack one of"),
        (("bob", "buy", NOW, -2e10), r"`value` of log is beyond 1e\+10 in 1 of 2 rows.*-2.*'buy'"),
        (("bob", "buy", NOW, float("inf")), "in 1 of 2 rows, such as inf"),
    ],
)
def test_an_event_that_cannot_be_placed_or_added_up_is_refused(spark, event, message):
    events = events_frame(spark, [("ann", "buy", NOW, None), event])
    with pytest.raises(ContractError, match=message):
        require_events(events, ["buy"], source="log")


def test_an_event_type_that_never_occurs_is_refused_with_those_that_do(spark):
    events = events_frame(spark, [("ann", "buy", NOW, 1.0), ("ann", "visit", NOW, None)])
    require_events(events, ["visit", "buy"], source="log")
    message = (
        r"log has no event of 1 of 2 types: \['visits'\]; its 2 rows are of \['buy', 'visit'\]"
    )
    with pytest.raises(ContractError, match=message):
        require_events(events, ["buy", "visits"], source="log")


WINDOWS = [(-7, 0), (-30, 0), (0, 14), (-3, 3)]
ALL = [
    EventSummary(f"{kind}_{aggregate}_{first}_{end}", kind, aggregate, first, end)
    for kind in ("buy", "visit")
    for aggregate in AGGREGATES
    for first, end in WINDOWS
]
offsets = st.one_of(
    st.integers(-35 * 86_400_000_000, 20 * 86_400_000_000).map(
        lambda us: timedelta(microseconds=us)
    ),
    st.builds(
        lambda days, ticks: days * DAY + ticks * TICK,
        st.sampled_from([-30, -7, -3, 0, 3, 14]),
        st.sampled_from([-1, 0, 1]),
    ),
)
logged = st.tuples(
    st.integers(0, 9),
    st.sampled_from(["buy", "visit", "other"]),
    offsets,
    st.one_of(st.none(), st.integers(-10_000, 10_000_000)),
)


def by_hand(events, summary, now):
    """The summary of one unit's events, in exact arithmetic on cents."""
    inside = [
        (at, cents)
        for kind, at, cents in events
        if kind == summary.event_type
        and now + summary.from_day * DAY <= at < now + summary.to_day * DAY
    ]
    cents = [amount for _, amount in inside if amount is not None]
    match summary.aggregate:
        case "count":
            return float(len(inside))
        case "sum":
            return float(Fraction(sum(cents), 100))
        case "mean":
            return float(Fraction(sum(cents), 100 * len(cents))) if cents else None
        case "max":
            return max(cents) / 100 if cents else None
        case "min":
            return min(cents) / 100 if cents else None
        case "recency":
            return min((now - at) / DAY for at, _ in inside) if inside else None


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(log=st.lists(logged, min_size=150, max_size=400))
def test_plain_python_finds_the_same_numbers_in_any_log(spark, log):
    clocks = {f"u{i}": NOW + i * 0.37 * DAY for i in range(10)}
    events = [(f"u{i}", kind, clocks[f"u{i}"] + after, cents) for i, kind, after, cents in log]
    rows = [(u, kind, at, None if c is None else c / 100) for u, kind, at, c in events]

    found = summarise(spark, rows, ALL, list(clocks.items()))

    for unit, now in clocks.items():
        own = [(kind, at, cents) for u, kind, at, cents in events if u == unit]
        expected = {summary.name: by_hand(own, summary, now) for summary in ALL}
        assert found[unit] == expected
