"""``SpendSums`` of a table: the curve of gain against spend, as numpy makes it from rows."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift.arms import CONTROL
from uplift.columns import ARM, CLUSTER_ID, PROPENSITY
from uplift.evaluation.checks import amiss_error
from uplift.evaluation.ranked_sums import cut_points, is_sampled
from uplift.evaluation.resampling import Keys, exact_grid
from uplift.evaluation.spend_curve import SpendPlan, SpendSums, added_gains
from uplift.policy import SpendSteps, spend_steps
from uplift.spark.arrow import to_matrix
from uplift.spark.evaluation_rows import (
    OUTCOME,
    check_one_arm_per_cluster,
    evaluation_rows,
    survey,
)
from uplift.spark.partial_sums import Floats, add_up, floats, integers, keys

_GAIN, _COST = "gain", "cost"


def spend_sums(
    frame: DataFrame,
    gain: Column,
    cost: Column,
    *,
    outcome: str,
    n_arms: int,
    replicates: int,
    seed: int,
    max_blocks: int,
) -> SpendSums:
    """Walk every row's hull of predicted gain and cost, and sum what each step really brought.

    The rows are read five times: hand in a table as written, or a cached frame. Scores are those of
    ``arm_scores`` without a model.

    Args:
        frame: With columns ``arm``, ``propensity``, ``cluster_id`` and the outcome.
        gain: Predicted added margin of treatments 1..K in euro, an array column.
        cost: Expected spend of treatments 1..K in euro, an array column.
        outcome: Name of the outcome's column, in the unit of ``gain``.
        n_arms: K + 1; every arm must appear.
        replicates: R, of the Poisson bootstrap by ``cluster_id``.
        seed: Of the bootstrap; with that of ``ranked_sums`` the replicates are the same.
        max_blocks: Cut the path into at most this many blocks of equally steep steps.

    Raises:
        ContractError: A value is missing or out of its range.
        ExperimentError: An arm has no rows, or a cluster is in several arms.
    """
    rows = evaluation_rows(
        frame, outcome, {_GAIN: gain.cast("array<double>"), _COST: cost.cast("array<double>")}
    )
    extremes = survey(rows, n_arms=n_arms)
    _check_prices(rows, n_arms - 1)
    check_one_arm_per_cluster(frame)
    weight = F.lit(1.0) / F.col(PROPENSITY)
    control = rows.where(F.col(ARM) == CONTROL)
    level = control.agg(F.sum(weight * F.col(OUTCOME)) / F.sum(weight)).collect()[0][0]
    found = rows.agg(
        F.max(weight * F.abs(F.col(OUTCOME) - F.lit(level))).alias("score"),
        F.max(F.array_max(_COST)).alias("cost"),
    ).collect()[0]
    walk = partial(_walk, n_treatments=n_arms - 1)
    n_steps = extremes.n_rows * (n_arms - 1)
    plan = SpendPlan(
        cuts=_cuts(rows, walk, extremes.n_rows, max_blocks),
        replicates=replicates,
        seed=seed,
        cost_grid=exact_grid(found["cost"], n_steps),
        gain_grid=exact_grid(found["score"], n_steps),
    )

    def parts_of(batch: pa.RecordBatch) -> list[Floats]:
        walked = walk(batch)
        steps, drawn = walked.steps, integers(batch, ARM)
        scores = np.full((batch.num_rows, n_arms), level)
        at = np.arange(batch.num_rows), drawn
        scores[at] += (floats(batch, OUTCOME) - level) / floats(batch, PROPENSITY)
        gains = added_gains(steps.unit, steps.arm, scores)
        return plan.add_up(
            steps.slope, steps.added_cost, gains, walked.keys[steps.unit], walked.keys
        )

    return plan.finish(add_up(rows, parts_of))


def _check_prices(rows: DataFrame, width: int) -> None:
    """Refuse arrays that ``spend_steps`` would stumble over on some other machine."""

    def is_amiss(name: str) -> Column:
        least = -math.inf if name == _GAIN else -5e-324  # a cost may be 0
        sound = F.filter(name, lambda value: (value > least) & (value < math.inf))
        fits = (F.size(name) == width) & (F.size(sound) == width)
        return ~F.coalesce(fits, F.lit(False))

    found = rows.agg(
        *(F.count_if(is_amiss(name)).alias(name) for name in (_GAIN, _COST)),
        *(
            F.first(F.when(is_amiss(name), F.col(name).cast("string")), ignorenulls=True).alias(
                f"example_{name}"
            )
            for name in (_GAIN, _COST)
        ),
        F.count(F.lit(1)).alias("rows"),
    ).collect()[0]
    for name in (_GAIN, _COST):
        if found[name]:
            raise amiss_error(
                name,
                found[f"example_{name}"],
                found[name],
                found["rows"],
                way_out=f"give {width} finite numbers, one for each of `campaign.treatments`; no "
                "cost is negative",
            )


@dataclass(frozen=True)
class _Walked:
    steps: SpendSteps
    keys: Keys


def _walk(batch: pa.RecordBatch, *, n_treatments: int) -> _Walked:
    gain, cost = (to_matrix(batch.column(name), n_treatments) for name in (_GAIN, _COST))
    return _Walked(spend_steps(gain, cost), keys(batch, CLUSTER_ID))


def _cuts(rows: DataFrame, walk: "partial[_Walked]", n_rows: int, max_blocks: int) -> Floats:
    """Where the blocks begin, from a sample of steps that every partition finds alone."""

    def sampled(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            walked = walk(batch)
            slope = walked.steps.slope
            kept = slope[is_sampled(slope, walked.keys[walked.steps.unit], n_rows)]
            yield pa.RecordBatch.from_arrays([pa.array(kept)], names=["slope"])

    def distinct() -> Floats:
        def of(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                slope = np.unique(walk(batch).steps.slope)
                yield pa.RecordBatch.from_arrays([pa.array(slope)], names=["slope"])

        few = rows.mapInArrow(of, "slope double").distinct().limit(max_blocks + 1)
        return np.asarray(few.toArrow()["slope"].to_numpy(), dtype=np.float64)

    sample = rows.mapInArrow(sampled, "slope double").toArrow()["slope"].to_numpy()
    return cut_points(np.asarray(sample, dtype=np.float64), max_blocks, distinct)
