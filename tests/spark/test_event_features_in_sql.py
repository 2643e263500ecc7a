from datetime import timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from tests.spark.builders import AGGREGATES, DAY, NOW, TICK, events_frame, units_frame
from uplift.spark.event_features import EventSummary, add_event_summaries

pytestmark = pytest.mark.spark

WINDOWS = [(-7, 0), (-30, 0), (-1, 0), (0, 14), (-3, 3)]
ALL = [
    EventSummary(f"{kind}_{aggregate}_{first}_{end}", kind, aggregate, first, end)
    for kind in ("buy", "visit")
    for aggregate in AGGREGATES
    for first, end in WINDOWS
]
BACK = [summary for summary in ALL if summary.to_day <= 0]


def random_log(seed, n=3_000, n_units=60):
    """Units looked at up to three times, and events of which many lie on an edge of a window."""
    rng = np.random.default_rng(seed)
    looks = [
        (f"u{unit}", NOW + int(look) * DAY + timedelta(seconds=unit))
        for unit in range(n_units)
        for look in rng.choice(20, size=rng.integers(1, 4), replace=False)
    ]
    events = []
    for _ in range(n):
        unit, now = looks[rng.integers(len(looks))]
        edge = int(rng.choice([-60, -30, -14, -7, -6, -3, -2, -1, 0, 3, 14])) * DAY
        near = edge + int(rng.integers(-1, 2)) * TICK
        far = float(rng.uniform(-65, 20)) * DAY
        value = None if rng.random() < 0.2 else int(rng.integers(-500, 10_000)) / 100
        kind = str(rng.choice(["buy", "visit", "other"]))
        events.append((unit, kind, now + (near if rng.random() < 0.5 else far), value))
    return looks, events


def rows_of(spark, looks, events, summaries, **options):
    """(unit, time) -> values, from a log in any order and cut anyhow."""
    frame = add_event_summaries(
        units_frame(spark, looks), events, summaries, as_of="now", **options
    ).withColumn("now", F.unix_micros("now"))
    return {row[:2]: row[2:] for row in map(tuple, frame.collect())}


def sql_of(summary):
    """The summary in SQL, over ``seen``: looks joined with all events of their unit."""
    length = summary.to_day - summary.from_day

    def inside(first, end):
        return (
            f"filter (event_type = '{summary.event_type}' and event_at >= now + to_days({first})"
            f" and event_at < now + to_days({end}))"
        )

    own, before = (
        inside(summary.from_day, summary.to_day),
        inside(summary.from_day - length, summary.from_day),
    )
    return {
        "count": f"count(*) {own}",
        "sum": f"coalesce(sum(cents) {own}, 0)::double / 100",
        "mean": f"(sum(cents) {own})::double / (100 * count(cents) {own})",
        "max": f"(max(cents) {own})::double / 100",
        "min": f"(min(cents) {own})::double / 100",
        "recency": f"(epoch_us(max(now)) - epoch_us(max(event_at) {own}))::double / 86400000000",
        "distinct": f"count(distinct cents) {own}",
        "trend": f"((count(*) {own}) - (count(*) {before}))::double / {length}",
    }[summary.aggregate]


def by_duckdb(looks, events, summaries, *, log="events"):
    naive = [at.replace(tzinfo=None) for _, _, at, _ in events]
    tables = {
        "units": {
            "unit_id": [unit for unit, _ in looks],
            "now": [at.replace(tzinfo=None) for _, at in looks],
        },
        "events": {
            "unit_id": [row[0] for row in events],
            "event_type": [row[1] for row in events],
            "event_at": pa.array(naive, pa.timestamp("us")),
            "cents": pa.array(
                [None if row[3] is None else round(row[3] * 100) for row in events], pa.int64()
            ),
        },
    }
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.register(name, pa.table(table))
        rows = connection.execute(
            f"""
            select unit_id, epoch_us(now), {", ".join(f"({sql_of(s)})::double" for s in summaries)}
            from units left join {log} using (unit_id)
            group by unit_id, now
            """
        ).fetchall()
    return {row[:2]: row[2:] for row in rows}


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_sql_finds_the_same_bits_in_any_log(spark, seed):
    looks, events = random_log(seed)
    found = rows_of(spark, looks, events_frame(spark, events), ALL)
    assert found == by_duckdb(looks, events, ALL)


def test_sql_finds_the_same_bits_when_repeats_are_dropped(spark):
    looks, events = random_log(seed=1, n=500)
    log = events_frame(spark, [*events, *events[::2], *events[::5]])
    found = rows_of(spark, looks, log.repartition(3), ALL, drop_repeated=True)
    twice = [*events, *events]
    assert found == by_duckdb(looks, twice, ALL, log="(select distinct * from events)")


def test_what_happens_from_the_as_of_time_on_changes_no_feature(spark):
    looks, events = random_log(seed=2)
    looks = list(dict(looks).items())
    clock = dict(looks)
    past = [event for event in events if event[2] < clock[event[0]]]
    future = [
        *(
            (unit, kind, now + after, 99.0)
            for unit, now in looks
            for kind in ("buy", "visit")
            for after in (timedelta(0), TICK, DAY)
        ),
    ]
    known = rows_of(spark, looks, events_frame(spark, events), BACK)
    shuffled = [events[i] for i in np.random.default_rng(0).permutation(len(events))]
    assert len(past) < len(events)
    for log in (past, shuffled + future):
        assert rows_of(spark, looks, events_frame(spark, log).repartition(3), BACK) == known
    one_tick_earlier = [(unit, "buy", now - TICK, 99.0) for unit, now in looks]
    assert rows_of(spark, looks, events_frame(spark, past + one_tick_earlier), BACK) != known
