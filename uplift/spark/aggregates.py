"""Big tables of assignments into the small sums that the experiment's checks read.

Arms are numbers here. A sum may differ in its last bits from run to run, because Spark adds in
the order in which partitions arrive.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from uplift import columns
from uplift.experiment.counts import (
    MOST_LEVELS,
    ArmCounts,
    Counts,
    Vector,
    level_counts,
)
from uplift.experiment.health import Draws
from uplift.spark.contracts import column


def arm_counts(
    frame: DataFrame, numeric: Sequence[str], categorical: Sequence[str] = (), *, n_arms: int
) -> ArmCounts:
    """The sums that ``uplift.experiment.counts.arm_counts`` takes from rows, in two passes.

    Args:
        frame: One row per unit, with ``arm`` and the columns.
        numeric: Columns of doubles.
        categorical: Columns of text.
        n_arms: K + 1.
    """
    sums = [F.count(F.lit(1)).alias("n")]
    for name in numeric:
        sums.append(F.count(column(name)).alias(f"filled {name}"))
        sums.append(F.sum(column(name)).alias(f"total {name}"))
        sums.append(F.var_pop(column(name)).alias(f"spread {name}"))
    of_arm = _by_arm(frame.groupBy(columns.ARM).agg(*sums))

    def table(what: str) -> Vector:
        cells = [[_number(of_arm, k, f"{what} {c}") for c in numeric] for k in range(n_arms)]
        return np.array(cells, dtype=np.float64).reshape(n_arms, len(numeric))

    n = _vector(of_arm, "n", n_arms).astype(np.int64)
    filled = table("filled")
    counts = ArmCounts(
        columns=tuple(numeric),
        n=n,
        n_null=n[:, None] - filled.astype(np.int64),
        total=table("total"),
        squared_deviations=table("spread") * filled,
    ).with_missing()
    tallies = _tallies(frame, categorical, n_arms)
    for name in categorical:
        counts = counts.beside(level_counts(name, tallies[name], n))
    return counts


def first_assignments(assignments: DataFrame) -> DataFrame:
    """One row per unit, its first; of two at the same time, that of the smaller arm."""
    others = [name for name in assignments.columns if name != columns.UNIT_ID]
    order = F.struct(columns.ASSIGNED_AT, columns.ARM)
    first = assignments.groupBy(columns.UNIT_ID).agg(
        F.min_by(F.struct(*others), order).alias("first")
    )
    return first.select(columns.UNIT_ID, "first.*")


def draws(assignments: DataFrame, *, n_arms: int, last_event: datetime | None = None) -> Draws:
    """What was drawn and with what chance, in two passes over all assignments.

    Args:
        assignments: With ``arm``, ``cluster_id``, ``propensity`` and ``assigned_at`` (null where
            the log has no times).
        n_arms: K + 1.
        last_event: Time of the last event in the log, UTC; None where the log has no times.
    """
    order = F.struct(columns.ASSIGNED_AT, columns.ARM)
    units = assignments.groupBy(columns.CLUSTER_ID).agg(
        F.min_by(columns.ARM, order).alias(columns.ARM),
        (F.min(columns.ARM) != F.max(columns.ARM)).alias("in_two_arms"),
    )
    of_unit = _by_arm(
        units.groupBy(columns.ARM).agg(
            F.count(F.lit(1)).alias("n"), F.count_if("in_two_arms").alias("in_two_arms")
        )
    )
    propensity = F.col(columns.PROPENSITY)
    is_late = F.col(columns.ASSIGNED_AT) > F.lit(last_event).cast("timestamp")
    of_row = _by_arm(
        assignments.groupBy(columns.ARM).agg(
            F.count(F.lit(1)).alias("n"),
            F.count_if(propensity.isNull()).alias("unlogged"),
            F.min(propensity).alias("lowest"),
            F.max(propensity).alias("highest"),
            F.count_if(is_late).alias("late"),
        )
    )
    return Draws(
        n=_vector(of_unit, "n", n_arms).astype(np.int64),
        n_in_two_arms=int(_vector(of_unit, "in_two_arms", n_arms).sum()),
        n_assignments=_vector(of_row, "n", n_arms).astype(np.int64),
        n_without_propensity=_vector(of_row, "unlogged", n_arms).astype(np.int64),
        lowest_propensity=_vector(of_row, "lowest", n_arms, empty=np.nan),
        highest_propensity=_vector(of_row, "highest", n_arms, empty=np.nan),
        n_after_last_event=(
            None if last_event is None else int(_vector(of_row, "late", n_arms).sum())
        ),
    )


def _tallies(
    frame: DataFrame, names: Sequence[str], n_arms: int
) -> Mapping[str, Mapping[str | None, Counts]]:
    """Per categorical the units per arm of its largest levels; all categoricals in one pass."""
    tallies: dict[str, dict[str | None, Counts]] = {name: {} for name in names}
    if not names:
        return tallies
    cells = [F.struct(F.lit(n).alias("name"), column(n).alias("level")) for n in names]
    per_arm = [F.count_if(F.col(columns.ARM) == k).alias(f"arm {k}") for k in range(n_arms)]
    levels = (
        frame.select(columns.ARM, F.explode(F.array(*cells)).alias("cell"))
        .groupBy("cell.name", "cell.level")
        .agg(F.count(F.lit(1)).alias("n"), *per_arm)
    )
    largest_first = Window.partitionBy("name").orderBy(F.desc("n"), F.asc_nulls_last("level"))
    largest = levels.withColumn("place", F.row_number().over(largest_first))
    for row in largest.where(F.col("place") <= MOST_LEVELS).collect():
        tally = [row[f"arm {k}"] for k in range(n_arms)]
        tallies[row["name"]][row["level"]] = np.array(tally, dtype=np.int64)
    return tallies


def _by_arm(grouped: DataFrame) -> Mapping[int, Row]:
    return {row[columns.ARM]: row for row in grouped.collect()}


def _number(rows: Mapping[int, Row], arm: int, name: str, empty: float = 0.0) -> float:
    """One cell; an arm without rows, or a null, is ``empty``."""
    value = rows[arm][name] if arm in rows else None
    return empty if value is None else float(value)


def _vector(rows: Mapping[int, Row], name: str, n_arms: int, empty: float = 0.0) -> Vector:
    return np.array([_number(rows, k, name, empty) for k in range(n_arms)], dtype=np.float64)
