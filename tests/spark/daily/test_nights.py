"""Night after night from daily aggregates, against all events by hand and against the raw path."""

import numpy as np
import pytest

from tests.spark.daily.builders import (
    ALL,
    DAY,
    START,
    TICK,
    UNITS,
    Source,
    by_hand,
    night,
    summaries,
    tree,
)
from uplift.spark.daily.store import DailyStore
from uplift.spark.event_features import add_event_summaries
from uplift.spark.inputs import read_events

pytestmark = pytest.mark.spark


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path)


@pytest.fixture
def store(tmp_path):
    return DailyStore(tmp_path / "daily")


def random_day(rng, day, n):
    """Events of one day, some at its first and last microsecond, some without a value."""
    moments = [day, day + DAY - TICK]
    return [
        (
            str(rng.choice(UNITS)),
            str(rng.choice(["purchase", "purchase", "visit", "other"])),
            moments[rng.integers(2)]
            if rng.random() < 0.3
            else day + float(rng.uniform(0, 1)) * DAY,
            None if rng.random() < 0.2 else float(rng.integers(-500, 2_000)) / 100,
        )
        for _ in range(n)
    ]


def raw_path(spark, source, as_of, wanted):
    units = spark.createDataFrame([(u, as_of) for u in UNITS], "unit_id string, as_of timestamp")
    events = read_events(spark, source.raw)
    frame = add_event_summaries(units, events, wanted, as_of="as_of")
    return {row["unit_id"]: row.asDict() for row in frame.drop("as_of").collect()}


def test_twelve_nights_of_new_late_changed_and_deleted_files(spark, source, store):
    rng = np.random.default_rng(12)
    in_both = summaries(("count", "sum", "mean", "max", "min", "recency"))
    names = [summary.name for summary in in_both]
    kinds = []
    for number in range(12):
        as_of = START + number * DAY
        source.write(f"day-{number:02d}.parquet", random_day(rng, as_of - DAY, 25))
        if number % 3 == 1:
            late = [e for back in (2, 3, 9) for e in random_day(rng, as_of - back * DAY, 4)]
            source.write(f"late-{number:02d}.parquet", late)
        if number == 5:
            source.write("day-03.parquet", source.files["day-03.parquet"][5:])
        if number == 8:
            source.delete("day-06.parquet")
        if number == 9:
            source.write("again.parquet", source.files["day-08.parquet"])
        step, found = night(spark, source, store, as_of)
        kinds.append(step.kind)
        assert found == by_hand(source.events, as_of), f"night {number}"
        if number in (5, 10):
            for unit, row in raw_path(spark, source, as_of, in_both).items():
                assert row == {"unit_id": unit, **{name: found[unit][name] for name in names}}
    assert kinds == [
        "rebuild", "advance", "advance", "advance", "advance", "rebuild",
        "advance", "advance", "rebuild", "advance", "advance", "advance",
    ]  # fmt: skip
