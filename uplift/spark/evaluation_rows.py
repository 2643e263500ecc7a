"""What must be known, and be right, of all rows before their sums can be taken."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift.columns import ARM, CLUSTER_ID, EXPERIMENT_ID, PROPENSITY
from uplift.evaluation.checks import (
    FINITE,
    RANGES,
    amiss_error,
    arms_range,
    check_every_arm,
    in_several_arms,
)
from uplift.spark.contracts import column, require_columns

OUTCOME = "outcome"


@dataclass(frozen=True)
class Survey:
    """Size and extremes of the rows, from which follow the grids of exact sums."""

    n_rows: int
    largest_weight: float  # of 1 / propensity
    largest_outcome: float  # of |outcome| / propensity
    largest: Mapping[str, float]  # absolute values of the further columns
    outcome_is_binary: bool


def evaluation_rows(frame: DataFrame, outcome: str, further: Mapping[str, Column]) -> DataFrame:
    """The columns that count, named and typed: arm, propensity, cluster, outcome, and further."""
    require_columns(frame, (ARM, PROPENSITY, CLUSTER_ID, outcome), source="the table to evaluate")
    return frame.select(
        F.col(ARM).cast("int"),
        F.col(PROPENSITY).cast("double"),
        F.col(CLUSTER_ID).cast("string"),
        column(outcome).cast("double").alias(OUTCOME),
        *(values.alias(name) for name, values in further.items()),
    )


def survey(
    rows: DataFrame,
    *,
    n_arms: int,
    finite: tuple[str, ...] = (),
    decisions: Mapping[str, str] = MappingProxyType({}),
) -> Survey:
    """One look at all rows; it refuses what the numpy path refuses, in the same words.

    Args:
        rows: Of ``evaluation_rows``.
        n_arms: K + 1; every arm must appear, and no other.
        finite: Further columns that must hold finite numbers.
        decisions: Further columns that must hold an arm, each with what an error calls it.
    """
    chance, outcome = F.col(PROPENSITY), F.col(OUTCOME)
    is_possible = (chance > 0) & (chance < 1)
    rules = {
        ARM: (_is_arm(ARM, n_arms), arms_range(n_arms)),
        PROPENSITY: (is_possible, RANGES[PROPENSITY]),
        OUTCOME: (_is_finite(OUTCOME), FINITE),
        CLUSTER_ID: (F.col(CLUSTER_ID).isNotNull(), "every row belongs to a randomisation unit"),
        **{name: (_is_finite(name), FINITE) for name in finite},
        **{name: (_is_arm(name, n_arms), arms_range(n_arms)) for name in decisions},
    }
    weight = F.when(is_possible, F.lit(1.0) / chance)
    found = rows.agg(
        F.count(F.lit(1)).alias("rows"),
        F.max(weight).alias("weight"),
        F.max(F.abs(weight * outcome)).alias("weighted_outcome"),
        F.count_if(~outcome.isin(0.0, 1.0)).alias("not_binary"),
        *(F.count_if(F.col(ARM) == arm).alias(f"arm_{arm}") for arm in range(n_arms)),
        *(F.max(F.abs(name)).alias(f"largest_{name}") for name in finite),
        *(F.count_if(_breaks(holds)).alias(f"amiss_{name}") for name, (holds, _) in rules.items()),
        *(
            F.max(F.when(_breaks(holds), F.col(name).cast("string"))).alias(f"example_{name}")
            for name, (holds, _) in rules.items()
        ),
    ).collect()[0]
    for name, (_, way_out) in rules.items():
        if found[f"amiss_{name}"]:
            raise amiss_error(
                decisions.get(name, name),
                found[f"example_{name}"],
                found[f"amiss_{name}"],
                found["rows"],
                way_out=way_out,
            )
    check_every_arm(np.array([found[f"arm_{arm}"] for arm in range(n_arms)]))
    return Survey(
        n_rows=found["rows"],
        largest_weight=found["weight"],
        largest_outcome=found["weighted_outcome"],
        largest={name: found[f"largest_{name}"] for name in finite},
        outcome_is_binary=not found["not_binary"],
    )


def check_one_arm_per_cluster(rows: DataFrame) -> None:
    """A randomisation unit is drawn once, with all its rows; once in each experiment, if known."""
    keys = [name for name in (EXPERIMENT_ID, CLUSTER_ID) if name in rows.columns]
    clusters = rows.groupBy(*keys).agg((F.min(ARM) < F.max(ARM)).alias("torn"))
    found = clusters.agg(
        F.count(F.lit(1)).alias("clusters"),
        F.count_if("torn").alias("torn"),
        F.min(F.when(F.col("torn"), F.col(CLUSTER_ID))).alias("example"),
    ).collect()[0]
    if found["torn"]:
        raise in_several_arms(repr(found["example"]), found["torn"], found["clusters"])


def _is_arm(name: str, n_arms: int) -> Column:
    return F.col(name).between(0, n_arms - 1)


def _is_finite(name: str) -> Column:
    # Spark orders not-a-number above infinity.
    return F.abs(name) < math.inf


def _breaks(holds: Column) -> Column:
    """Whether a rule is broken; null breaks every rule."""
    return ~F.coalesce(holds, F.lit(False))
