"""``RankedSums`` of a table: the numbers of ``uplift.evaluation.ranked_sums``, to the last bit."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame

from uplift.columns import ARM, CLUSTER_ID, PROPENSITY
from uplift.evaluation.ranked_sums import (
    SAMPLE_ROWS,
    RankedSums,
    RankedSumsPlan,
    cut_points,
    is_sampled,
)
from uplift.evaluation.resampling import exact_grid
from uplift.spark.evaluation_rows import (
    OUTCOME,
    check_one_arm_per_cluster,
    evaluation_rows,
    survey,
)
from uplift.spark.partial_sums import Floats, add_up, floats, integers, keys


def ranked_sums(
    frame: DataFrame,
    priorities: Sequence[Column],
    *,
    outcome: str,
    n_arms: int,
    replicates: int,
    seed: int,
    max_blocks: int,
) -> tuple[RankedSums, ...]:
    """Sum a table into blocks of equal priority, once per priority, weighted by 1 / propensity.

    The rows are read four times: hand in a table as written, or a cached frame. To the driver
    come sums, and a sample of about 100,000 priorities at most to cut the blocks by.

    Args:
        frame: With columns ``arm``, ``propensity``, ``cluster_id`` and the outcome.
        priorities: What to rank by, larger is better: one per treatment, in the order of arms,
            such as ``F.col("cate")[0]``.
        outcome: Name of the outcome's column.
        n_arms: K + 1; every arm must appear.
        replicates: R, of the Poisson bootstrap by ``cluster_id``.
        seed: Of the bootstrap.
        max_blocks: Cut each ranking into at most this many blocks.

    Returns:
        One per priority; whatever the partitions, the same bits.

    Raises:
        ContractError: A value is missing or out of its range.
        ExperimentError: An arm has no rows, or a cluster is in several arms.
    """
    names = tuple(f"priority_{number}" for number in range(1, len(priorities) + 1))
    further = {name: column.cast("double") for name, column in zip(names, priorities, strict=True)}
    rows = evaluation_rows(frame, outcome, further)
    extremes = survey(rows, n_arms=n_arms, finite=names)
    check_one_arm_per_cluster(frame)
    plans = {
        name: RankedSumsPlan(
            cuts=cuts,
            n_arms=n_arms,
            replicates=replicates,
            seed=seed,
            weight_grid=exact_grid(extremes.largest_weight, extremes.n_rows),
            outcome_grid=exact_grid(extremes.largest_outcome, extremes.n_rows),
            priority_grid=exact_grid(extremes.largest[name], extremes.n_rows),
            outcome_is_binary=extremes.outcome_is_binary,
        )
        for name, cuts in _cuts(rows, names, extremes.n_rows, max_blocks).items()
    }

    def parts_of(batch: pa.RecordBatch) -> list[Floats]:
        arm, observed = integers(batch, ARM), floats(batch, OUTCOME)
        weight, units = 1.0 / floats(batch, PROPENSITY), keys(batch, CLUSTER_ID)
        return [
            part
            for name, plan in plans.items()
            for part in plan.add_up(floats(batch, name), arm, observed, weight, units)
        ]

    parts = add_up(rows, parts_of)
    size = replicates + 2
    return tuple(
        plan.finish(parts[number * size : (number + 1) * size])
        for number, plan in enumerate(plans.values())
    )


def _cuts(
    rows: DataFrame, names: tuple[str, ...], n_rows: int, max_blocks: int
) -> dict[str, Floats]:
    """Where the blocks of each ranking begin, from a sample that every partition finds alone."""

    def sampled(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            units = keys(batch, CLUSTER_ID)
            for number, name in enumerate(names):
                priority = floats(batch, name)
                kept = priority[is_sampled(priority, units, n_rows)]
                yield pa.RecordBatch.from_arrays(
                    [pa.array(np.full(len(kept), number)), pa.array(kept)],
                    names=["ranking", "priority"],
                )

    found = rows.mapInArrow(sampled, "ranking long, priority double").toArrow()
    ranking, priority = found["ranking"].to_numpy(), found["priority"].to_numpy()
    samples: dict[str, Floats] = {
        name: priority[ranking == number] for number, name in enumerate(names)
    }

    def distinct(name: str) -> Floats:
        if n_rows <= SAMPLE_ROWS:  # the sample is everything
            return samples[name]
        values = rows.select(name).distinct().limit(max_blocks + 1).toArrow()
        return np.asarray(values[name].to_numpy(), dtype=np.float64)

    return {
        name: cut_points(sample, max_blocks, partial(distinct, name))
        for name, sample in samples.items()
    }
