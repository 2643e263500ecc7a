"""The sums of the checks, by head and against numpy."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from uplift.experiment import clusters
from uplift.spark.experiment_sums import (
    cluster_sums,
    contamination,
    event_counts,
    propensity_sums,
    sums_before,
)

pytestmark = pytest.mark.spark

START = datetime(2026, 1, 10)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def timed(spark: SparkSession, rows: Sequence[tuple[object, ...]], schema: str) -> DataFrame:
    """Times as instants, in the session's zone."""
    frame = spark.createDataFrame(rows, schema.replace("timestamp", "timestamp_ntz"))
    times = [name for name, kind in frame.dtypes if kind == "timestamp_ntz"]
    return frame.withColumns({name: F.col(name).cast("timestamp") for name in times})


def test_spark_and_numpy_take_the_same_moments_of_clusters(spark: SparkSession) -> None:
    generator = np.random.default_rng(2)
    n = 400
    home = generator.integers(0, 60, n)
    arm = home % 3
    revenue = np.where(generator.random(n) < 0.1, np.nan, generator.gamma(2.0, 30.0, n))
    chance = generator.choice([0.2, 0.5], n)
    rows = [
        (f"h{h}", int(a), float(p), float(i % 2), None if np.isnan(r) else float(r))
        for i, (h, a, p, r) in enumerate(zip(home, arm, chance, revenue, strict=True))
    ]
    frame = spark.createDataFrame(
        rows,
        "cluster_id string, arm int, propensity double, conversion double, revenue double",
    )

    ours = cluster_sums(frame.repartition(4), ["conversion", "revenue"], n_arms=4)

    expected = clusters.cluster_sums(
        arm,
        [f"h{h}" for h in home],
        {"conversion": np.arange(n) % 2, "revenue": revenue},
        propensity=chance,
        n_arms=4,
    )
    assert ours.n_clusters.tolist() == expected.n_clusters.tolist()
    np.testing.assert_allclose(ours.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(ours.squared_error, expected.squared_error, rtol=1e-9)


def test_chances_are_added_up_and_binned(spark: SparkSession) -> None:
    rows = [(0, 0.5), (0, 0.25), (1, 1.0), (1, 0.05)]
    found = propensity_sums(spark.createDataFrame(rows, "arm int, propensity double"), n_arms=2)
    assert found.n.tolist() == [2, 2]
    assert found.weight.tolist() == pytest.approx([6.0, 21.0])
    assert found.squared_weight.tolist() == pytest.approx([20.0, 401.0])
    assert [np.flatnonzero(bins).tolist() for bins in found.in_bin] == [[5, 10], [1, 19]]


def test_events_sent_twice_or_late_are_counted(spark: SparkSession) -> None:
    rows = [
        ("ann", "visit", day(0), None, day(0)),
        ("ann", "visit", day(0), None, day(3.5)),  # the same once more, and late
        ("ann", "visit", day(0), 0.0, day(1)),  # with a value it is another event
        ("ann", "order", day(0), None, None),
        ("bob", "visit", day(1), None, day(4)),  # not more than three days
    ]
    schema = "unit_id string, event_type string, event_at timestamp, value double"
    events = timed(spark, rows, f"{schema}, logged_at timestamp")

    found = event_counts(events, late_days=3)

    assert (found.n, found.n_repeated, found.n_logged, found.n_late) == (5, 1, 4, 1)
    assert found.last_us == int((day(1) - datetime(1970, 1, 1)).total_seconds()) * 1_000_000
    assert event_counts(events.limit(0), late_days=3).last_us is None


def test_units_of_another_experiment_at_about_the_same_time_are_counted(
    spark: SparkSession,
) -> None:
    units = timed(
        spark,
        [("ann", 0, day(0)), ("bob", 0, day(0)), ("eve", 1, day(0)), ("joe", 1, day(0))],
        "unit_id string, arm int, assigned_at timestamp",
    )
    elsewhere = timed(
        spark,
        [
            ("ann", day(-13.9)),
            ("ann", day(2)),  # counts once
            ("bob", day(14)),  # a whole window later
            ("eve", day(13.9)),
            ("zoe", day(0)),
        ],
        "unit_id string, assigned_at timestamp",
    )

    found = contamination(units, elsewhere, n_arms=2, window_days=14)

    assert found is not None
    assert (found.n.tolist(), found.n_elsewhere.tolist()) == ([2, 2], [1, 1])
    assert contamination(units, elsewhere.limit(0), n_arms=2, window_days=14) is None


def test_the_window_before_ends_with_the_assignment(spark: SparkSession) -> None:
    units = timed(
        spark,
        [
            ("ann", "home", 0, 0.5, day(0)),
            ("bob", "bob", 0, 0.5, day(0)),
            ("eve", "eve", 1, 0.5, day(0)),
        ],
        "unit_id string, cluster_id string, arm int, propensity double, assigned_at timestamp",
    )
    bought = [("ann", -1), ("ann", -2), ("bob", 0), ("bob", -8), ("eve", -7)]
    events = timed(
        spark,
        [(unit, "order", day(when), None) for unit, when in bought],
        "unit_id string, event_type string, event_at timestamp, value double",
    )
    found = sums_before(units, events, event_type="order", window_days=7, n_arms=2)
    assert found.mean.tolist() == [[0.5], [1.0]]  # ann once, not bob; eve at the window's start
