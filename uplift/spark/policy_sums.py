"""``PolicySums`` of a table: the numbers of ``uplift.evaluation.policy_value``, to the last bit."""

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from uplift.arms import Arms
from uplift.columns import ARM, CLUSTER_ID, PROPENSITY
from uplift.evaluation.policy_sums import PolicySums, plan_policies
from uplift.spark.contracts import column
from uplift.spark.evaluation_rows import (
    OUTCOME,
    check_one_arm_per_cluster,
    evaluation_rows,
    survey,
)
from uplift.spark.partial_sums import Floats, add_up, floats, integers, keys


def policy_sums(
    frame: DataFrame,
    decisions: tuple[str, ...],
    *,
    outcome: str,
    arms: Arms,
    expected: str | None = None,
    replicates: int,
    seed: int,
) -> PolicySums:
    """Sum a table for the constant policies and for the decisions in some of its columns.

    The rows are read three times: hand in a table as written, or a cached frame. Only sums come
    to the driver.

    Args:
        frame: With columns ``arm``, ``propensity``, ``cluster_id``, the outcome and the decisions.
        decisions: Columns of decided arms (int); the column's name becomes the policy's.
        outcome: Name of the outcome's column.
        arms: Of the campaign; every one must have rows.
        expected: Column with what a model expects of every arm (array<double>, control first), for
            ``dr_value``; the model must not have learned from these rows.
        replicates: R, of the Poisson bootstrap by ``cluster_id``.
        seed: Of the bootstrap; with that of ``ranked_sums`` the replicates are the same.

    Returns:
        Whatever the partitions, the same bits.

    Raises:
        ContractError: A value is missing or out of its range.
        ExperimentError: An arm has no rows, or a cluster is in several arms.
    """
    names = tuple(f"decision_{number}" for number in range(len(decisions)))
    further = {
        name: column(decision).cast("int") for name, decision in zip(names, decisions, strict=True)
    }
    means: tuple[str, ...] = ()
    if expected is not None:
        means = tuple(f"expected_{arm}" for arm in range(len(arms.names)))
        further |= {name: column(expected)[arm].cast("double") for arm, name in enumerate(means)}
    rows = evaluation_rows(frame, outcome, further)
    labels = [f"policy {decision!r}: arm" for decision in decisions]
    extremes = survey(
        rows,
        n_arms=len(arms.names),
        finite=means,
        decisions=dict(zip(names, labels, strict=True)),
    )
    check_one_arm_per_cluster(frame)
    plan = plan_policies(
        arms,
        decisions,
        n_rows=extremes.n_rows,
        largest_weight=extremes.largest_weight,
        largest_outcome=extremes.largest_outcome,
        largest_expected=max(map(extremes.largest.__getitem__, means)) if means else None,
        replicates=replicates,
        seed=seed,
    )

    def parts_of(batch: pa.RecordBatch) -> list[Floats]:
        decided = np.empty((batch.num_rows, len(names)), dtype=np.int64)
        for number, name in enumerate(names):
            decided[:, number] = integers(batch, name)
        return plan.add_up(
            integers(batch, ARM),
            floats(batch, OUTCOME),
            floats(batch, PROPENSITY),
            decided,
            keys(batch, CLUSTER_ID),
            np.column_stack([floats(batch, name) for name in means]) if means else None,
        )

    return plan.finish(add_up(rows, parts_of))
