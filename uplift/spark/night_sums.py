"""What a night is judged by, as small sums: rows stay where they are."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from uplift import columns
from uplift.learners.model import UpliftModel
from uplift.monitoring.holdout import Conversions, GroupSums, PolicyEffect
from uplift.monitoring.migration import Migration
from uplift.monitoring.night import Drift
from uplift.monitoring.stability import Binning, Counts, fit_binning
from uplift.policy.assignment import HOLDOUT
from uplift.policy.segments import SEGMENTS
from uplift.spark.arrow import Matrix, to_matrix
from uplift.spark.contracts import column
from uplift.spark.hashing import hash_uniform
from uplift.spark.partial_sums import Floats, add_up

_GRID = 1 << 30  # chances are summed in whole multiples of 2^-30: sums that know no order
_SALT = "monitoring"
_BEFORE, _NOW = "before", "now"


def training_sample(training_set: DataFrame, model: UpliftModel, *, max_rows: int) -> Matrix:
    """Encoded features of at most about ``max_rows`` training rows, chosen by hash of the unit."""
    n = training_set.count()
    sample = training_set
    if n > max_rows:
        draw = hash_uniform(F.col(columns.UNIT_ID), _SALT)
        sample = training_set.where(draw < max_rows / n)
    return model.encoder.encode(sample.select(*map(column, model.encoder.names)).toArrow())


def feature_drift(features: DataFrame, model: UpliftModel, sample: Matrix, *, bins: int) -> Drift:
    """Everybody's features beside those of the training sample, in the sample's bins."""
    codes = set(model.encoder.categorical_indices)
    binning = fit_binning(
        sample, n_bins=bins, is_code=[i in codes for i in range(model.encoder.n_features)]
    )
    encoder = model.encoder
    counted = _count(
        features.select(*map(column, encoder.names)), binning, encoder.encode, encoder.names
    )
    return Drift(tuple(encoder.names), binning.count(sample), counted)


def score_drift(scores: DataFrame, model: UpliftModel, sample: Matrix, *, bins: int) -> Drift:
    """Everybody's expected conversion and effects beside those of the training sample."""
    n_arms = len(model.arms.names)

    def matrix_of(batch: pa.RecordBatch) -> Matrix:
        expected = to_matrix(batch.column(columns.EXPECTED_CONVERSION), n_arms)
        return _with_effects(expected)

    learned = _with_effects(model.expected_outcome(sample))
    binning = fit_binning(learned, n_bins=bins)
    names = [f"conversion_{name}" for name in model.arms.names]
    names += [f"uplift_{name}" for name in model.arms.treatments]
    counted = _count(
        scores.select(columns.EXPECTED_CONVERSION),
        binning,
        matrix_of,
        [columns.EXPECTED_CONVERSION],
    )
    return Drift(tuple(names), binning.count(learned), counted)


def migration_since(
    spark: SparkSession, scores: DataFrame, files_before: Sequence[Path]
) -> Migration:
    """How many customers went from which segment of the run before to which one tonight."""
    before = spark.read.parquet(*map(str, files_before)).select(
        columns.UNIT_ID, F.col(columns.SEGMENT).alias(_BEFORE)
    )
    now = scores.select(columns.UNIT_ID, F.col(columns.SEGMENT).alias(_NOW))
    moves = before.join(now, on=columns.UNIT_ID, how="full").groupBy(_BEFORE, _NOW).count()
    return Migration.of(SEGMENTS, {(row[0], row[1]): row[2] for row in moves.collect()})


def holdout_sums(scores: DataFrame, decisions: DataFrame) -> tuple[GroupSums, GroupSums]:
    """Control conversion of the holdout and of all others, among whom may be contacted."""
    chance = F.floor(F.element_at(columns.EXPECTED_CONVERSION, 1) * _GRID)
    # rounded to whole multiples again, so that squares fit a decimal and add up exactly
    square = F.floor(F.pow(F.element_at(columns.EXPECTED_CONVERSION, 1), F.lit(2)) * _GRID)
    found = (
        scores.where(F.coalesce(columns.CONTACTABLE, F.lit(False)))
        .select(columns.UNIT_ID, chance.alias("chance"), square.alias("square"))
        .join(decisions.select(columns.UNIT_ID, columns.REASON), on=columns.UNIT_ID)
        .groupBy((F.col(columns.REASON) == HOLDOUT).alias("is_held_out"))
        .agg(F.count("*").alias("n"), F.sum("chance").alias("c"), F.sum("square").alias("s"))
        .collect()
    )
    sums = {
        bool(row["is_held_out"]): GroupSums(row["n"], row["c"] / _GRID, row["s"] / _GRID)
        for row in found
    }
    nobody = GroupSums(0, 0.0, 0.0)
    return sums.get(True, nobody), sums.get(False, nobody)


def policy_effect(
    scores: DataFrame,
    decisions: DataFrame,
    events: DataFrame,
    *,
    event_type: str,
    as_of: datetime,
    window_days: int,
) -> PolicyEffect:
    """Conversions in the days before tonight, of tonight's holdout and of all others.

    Args:
        scores: Of everybody tonight.
        decisions: The same customers.
        events: ``unit_id, event_type, event_at``.
        event_type: What counts as a conversion.
        as_of: Moment of tonight's features; events from then on do not count.
        window_days: How long before it the window starts.
    """
    start = as_of - timedelta(days=window_days)
    at = F.unix_seconds(columns.EVENT_AT)
    converted = (
        events.where(F.col(columns.EVENT_TYPE) == event_type)
        .where((at >= int(start.timestamp())) & (at < int(as_of.timestamp())))
        .select(columns.UNIT_ID)
        .distinct()
        .withColumn("has_converted", F.lit(True))
    )
    found = (
        scores.where(F.coalesce(columns.CONTACTABLE, F.lit(False)))
        .select(columns.UNIT_ID)
        .join(decisions.select(columns.UNIT_ID, columns.REASON), on=columns.UNIT_ID)
        .join(converted, on=columns.UNIT_ID, how="left")
        .groupBy((F.col(columns.REASON) == HOLDOUT).alias("is_held_out"))
        .agg(F.count("*").alias("n"), F.count("has_converted").alias("converted"))
        .collect()
    )
    groups = {bool(row["is_held_out"]): Conversions(row["n"], row["converted"]) for row in found}
    nobody = Conversions(0, 0)
    return PolicyEffect(groups.get(True, nobody), groups.get(False, nobody), window_days)


def _count(
    frame: DataFrame,
    binning: Binning,
    matrix_of: Callable[[pa.RecordBatch], Matrix],
    names: Sequence[str],
) -> Counts:
    """Rows per bin, shape (d, width), whatever the partitions."""

    def parts_of(batch: pa.RecordBatch) -> list[Floats]:
        named = batch.rename_columns(list(names))
        return [binning.count(matrix_of(named)).astype(np.float64).ravel()]

    # by number, because mapInArrow takes a dot in a name for a field of a struct
    summed = add_up(frame.toDF(*map(str, range(len(frame.columns)))), parts_of)
    shape = (len(binning.edges), binning.width)
    if not summed:
        return np.zeros(shape, dtype=np.int64)
    return summed[0].astype(np.int64).reshape(shape)


def _with_effects(expected: Matrix) -> Matrix:
    return np.column_stack([expected, expected[:, 1:] - expected[:, :1]])
