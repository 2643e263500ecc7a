from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from tests.spark.builders import AGGREGATES, DAY, NOW, TICK, events_frame, units_frame
from uplift.errors import ContractError
from uplift.features.spec import EventColumn
from uplift.spark.event_features import (
    EventSummary,
    add_event_summaries,
    feature_summaries,
    require_events,
)

pytestmark = pytest.mark.spark


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
        ("ann", "buy", NOW - 6 * DAY, 5.0),
        ("ann", "buy", NOW - 9 * DAY, 70.0),
        ("ann", "buy", NOW - 14 * DAY, 90.0),
        ("ann", "visit", NOW - DAY, 100.0),
        ("bob", "buy", NOW - DAY, 100.0),
    ]
    found = summarise(spark, events, [last_week(aggregate) for aggregate in AGGREGATES])
    assert found["ann"] == {
        "count": 4.0,
        "sum": 13.0,
        "mean": 13 / 3,
        "max": 5.0,
        "min": 3.0,
        "recency": 2.0,
        "distinct": 2.0,
        "trend": (4 - 2) / 7,
    }


SILENCE = {
    **dict.fromkeys(("count", "sum", "distinct", "trend"), 0.0),
    **dict.fromkeys(("mean", "max", "min", "recency")),
}


def test_a_silent_unit_has_counts_and_sums_of_zero_and_the_rest_null(spark):
    summaries = [last_week(aggregate) for aggregate in AGGREGATES]
    elsewhere = [("ann", "buy", NOW + DAY, 1.0), ("bob", "visit", NOW - DAY, 1.0)]
    units = [("ann", NOW), ("bob", NOW), ("cleo", NOW), ("dora", None), (None, NOW)]
    found = summarise(spark, elsewhere, summaries, units)
    assert found == {unit: SILENCE for unit, _ in units}


def test_an_empty_log_is_a_silent_one_even_for_a_window_longer_than_any_log(spark):
    ages = [EventSummary(a, "buy", a, from_day=-36_500, to_day=0) for a in AGGREGATES]
    assert summarise(spark, [], ages) == {"ann": SILENCE}
    early = summarise(spark, [("ann", "buy", NOW - DAY, 1.0)], ages)["ann"]
    assert (early["count"], early["trend"]) == (1.0, 1 / 36_500)


def test_without_units_there_are_no_rows(spark):
    events = [("ann", "buy", NOW - DAY, 1.0)]
    assert summarise(spark, events, [last_week("count")], units=[]) == {}


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


def test_a_unit_may_be_looked_at_several_times_and_twice_at_once(spark):
    units = units_frame(spark, [("ann", NOW), ("ann", NOW + DAY), ("ann", NOW), ("bob", NOW)])
    events = events_frame(spark, [("ann", "buy", NOW - DAY, 1.0), ("ann", "buy", NOW, 5.0)])
    counted = add_event_summaries(units, events, [last_week("sum")], as_of="now")
    rows = counted.selectExpr("unit_id", "date_diff(now, date'2026-03-10')", "sum").collect()
    assert sorted(map(tuple, rows)) == [
        ("ann", 0, 1.0),
        ("ann", 0, 1.0),
        ("ann", 1, 6.0),
        ("bob", 0, 0.0),
    ]


def test_other_columns_of_the_units_stay_as_they_are(spark):
    units = spark.createDataFrame(
        [("ann", NOW, [1, 2], Decimal("1.50"), {"x": (True, None)}, NOW.date())],
        "unit_id string, now timestamp, `a.list` array<int>, d decimal(9, 2), "
        "m map<string, struct<b: boolean, n: bigint>>, day date",
    )
    counted = add_event_summaries(units, events_frame(spark, []), [last_week("count")], as_of="now")
    assert counted.columns == [*units.columns, "count"]
    assert counted.drop("count").collect() == units.collect()


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


def test_an_event_sent_twice_counts_once_where_repeats_are_dropped(spark):
    at = NOW - DAY
    events = [
        *[("ann", "buy", at, 2.0)] * 3,
        *[("ann", "buy", at, None)] * 2,
        ("ann", "buy", at, 0.0),
        ("ann", "buy", at - TICK, 2.0),
        ("bob", "buy", at, 2.0),
    ]
    units = units_frame(spark, [("ann", NOW), ("bob", NOW)])
    frame = add_event_summaries(
        units,
        events_frame(spark, events).repartition(3),
        [last_week("count"), last_week("sum")],
        as_of="now",
        drop_repeated=True,
    )
    rows = frame.select("unit_id", "count", "sum").collect()
    assert sorted(map(tuple, rows)) == [("ann", 4.0, 4.0), ("bob", 1.0, 2.0)]


def test_a_customer_with_many_events_gets_all_of_them(spark):
    n = 200_000
    bot = spark.range(n).select(
        F.lit("bot").alias("unit_id"),
        F.lit("buy").alias("event_type"),
        (F.lit(NOW) - F.make_interval(secs=F.col("id") + 1)).alias("event_at"),
        (F.col("id") % 1000 / 100).alias("value"),
    )
    few = events_frame(spark, [("ann", "buy", NOW - DAY, 0.1)])
    summaries = [last_week(aggregate) for aggregate in ("count", "sum", "max", "distinct")]
    units = units_frame(spark, [("ann", NOW), ("bot", NOW)])
    rows = add_event_summaries(units, bot.union(few), summaries, as_of="now").drop("now").collect()
    assert sorted(map(tuple, rows)) == [
        ("ann", 1.0, 0.1, 0.1, 1.0),
        ("bot", n, n / 1000 * sum(range(1000)) / 100, 9.99, 1000.0),
    ]


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
