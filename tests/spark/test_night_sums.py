from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.serving.builders import customers, model, tables
from uplift.monitoring.stability import fit_binning
from uplift.spark.night_sums import (
    feature_drift,
    holdout_sums,
    migration_since,
    policy_effect,
    score_drift,
    training_sample,
)

pytestmark = pytest.mark.spark

AS_OF = datetime(2026, 6, 15, tzinfo=UTC)


def test_drift_counts_everybody_whatever_the_partitions(spark: SparkSession) -> None:
    night = tables(customers())
    features = spark.createDataFrame(customers()).repartition(3)
    scores = spark.createDataFrame(night["customer_scores"].select(["expected_conversion"]))
    sample = model().encoder.encode(customers().slice(0, 200))

    drift = feature_drift(features, model(), sample, bins=5)
    scored = score_drift(scores, model(), sample, bins=5)

    matrix = model().encoder.encode(customers())
    binning = fit_binning(sample, n_bins=5, is_code=[False, True])
    assert drift.names == ("age", "city")
    assert drift.found.tolist() == binning.count(matrix).tolist()
    assert drift.expected.sum(axis=1).tolist() == [200, 200]
    assert scored.names[-2:] == ("uplift_coupon_5", "uplift_coupon_10")
    assert scored.found.sum(axis=1).tolist() == [300] * 5


def test_a_training_sample_is_drawn_by_hash(spark: SparkSession) -> None:
    frame = spark.createDataFrame(customers())
    draws = [
        training_sample(frame.repartition(n), model(), max_rows=100)[:, 0].tolist() for n in (1, 3)
    ]
    assert np.array_equal(sorted(map(str, draws[0])), sorted(map(str, draws[1])))
    assert 60 < len(draws[0]) < 140
    assert len(training_sample(frame, model(), max_rows=300)) == 300


def test_customers_are_followed_from_segment_to_segment(
    spark: SparkSession, tmp_path: Path
) -> None:
    before = {"unit_id": ["a", "b", "c"], "segment": ["persuadable", "persuadable", "sure_thing"]}
    pq.write_table(pa.table(before), tmp_path / "before.parquet")
    now = spark.createDataFrame(
        [("a", "persuadable"), ("b", "lost_cause"), ("d", "sure_thing")],
        "unit_id string, segment string",
    )
    moves = migration_since(spark, now, [tmp_path / "before.parquet"]).to_document()
    assert moves["persuadable"]["persuadable"] == 1
    assert moves["persuadable"]["lost_cause"] == 1
    assert moves["sure_thing"]["absent"] == 1
    assert moves["absent"]["sure_thing"] == 1


SCORES = "unit_id string, contactable boolean, expected_conversion array<double>"
DECISIONS = "unit_id string, reason string"
SCORED = [("a", True, [0.5]), ("b", True, [0.25]), ("c", True, [0.75]), ("d", False, [0.9])]
DECIDED = [("a", "holdout"), ("b", "net_value"), ("c", "lost_cause"), ("d", "not_contactable")]


def test_the_holdout_and_the_others_are_those_who_may_be_contacted(spark: SparkSession) -> None:
    scores, decisions = (
        spark.createDataFrame(SCORED, SCORES),
        spark.createDataFrame(DECIDED, DECISIONS),
    )
    held_out, others = holdout_sums(scores, decisions)
    assert (held_out.n, held_out.total, held_out.squares) == (1, 0.5, 0.25)
    assert (others.n, others.total, others.squares) == (2, 1.0, 0.625)


def test_a_conversion_counts_once_and_inside_the_window_alone(spark: SparkSession) -> None:
    day = timedelta(days=1)
    events = spark.createDataFrame(
        [
            ("a", "purchase", AS_OF - 14 * day),  # the window's first moment
            ("a", "purchase", AS_OF - 2 * day),
            ("b", "purchase", AS_OF - 15 * day),
            ("b", "visit", AS_OF - day),
            ("c", "purchase", AS_OF),
            ("d", "purchase", AS_OF - day),
        ],
        "unit_id string, event_type string, event_at timestamp",
    )
    effect = policy_effect(
        spark.createDataFrame(SCORED, SCORES),
        spark.createDataFrame(DECIDED, DECISIONS),
        events,
        event_type="purchase",
        as_of=AS_OF,
        window_days=14,
    )
    assert (effect.holdout.n, effect.holdout.converted) == (1, 1)
    assert (effect.others.n, effect.others.converted) == (2, 0)
