"""Big tables of assignments into the small sums that the experiment's checks read.

Arms are numbers here. A sum may differ in its last bits from run to run, because Spark adds in
the order in which partitions arrive.
"""

from collections.abc import Mapping, Sequence

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

    n = _counts(of_arm, "n", n_arms)
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


def draws(assignments: DataFrame, *, n_arms: int, events: DataFrame | None = None) -> Draws:
    """What was drawn and with what logged chance, in two passes over all assignments.

    Args:
        assignments: Also repeated ones, with ``arm``, ``cluster_id``, ``propensity`` and
            ``assigned_at`` (null where the log has no times).
        n_arms: K + 1.
        events: Whose last ``event_at`` no assignment should be later than.
    """
    last_us = None if events is None else _last_event_us(events)
    order = F.struct(columns.ASSIGNED_AT, columns.ARM)
    drawn = assignments.groupBy(columns.CLUSTER_ID).agg(
        F.min_by(columns.ARM, order).alias(columns.ARM),
        (F.min(columns.ARM) != F.max(columns.ARM)).alias("is_in_two_arms"),
    )
    of_drawn = _by_arm(
        drawn.groupBy(columns.ARM).agg(
            F.count(F.lit(1)).alias("n"), F.count_if("is_in_two_arms").alias("in_two_arms")
        )
    )
    is_late = F.unix_micros(columns.ASSIGNED_AT) > F.lit(last_us).cast("long")
    of_assigned = _by_arm(
        assignments.groupBy(columns.ARM).agg(
            F.count(F.lit(1)).alias("n"),
            F.count_if(F.col(columns.PROPENSITY).isNull()).alias("unlogged"),
            F.min(columns.PROPENSITY).alias("lowest"),
            F.max(columns.PROPENSITY).alias("highest"),
            F.count_if(is_late).alias("late"),
        )
    )
    return Draws(
        n=_counts(of_drawn, "n", n_arms),
        n_in_two_arms=int(_counts(of_drawn, "in_two_arms", n_arms).sum()),
        n_assignments=_counts(of_assigned, "n", n_arms),
        n_without_propensity=_counts(of_assigned, "unlogged", n_arms),
        lowest_propensity=_vector(of_assigned, "lowest", n_arms, empty=np.nan),
        highest_propensity=_vector(of_assigned, "highest", n_arms, empty=np.nan),
        n_after_last_event=(
            None if last_us is None else int(_counts(of_assigned, "late", n_arms).sum())
        ),
    )


def _last_event_us(events: DataFrame) -> int | None:
    found = events.agg(F.unix_micros(F.max(columns.EVENT_AT)).alias("last")).first()
    return None if found is None else found["last"]


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


def _counts(rows: Mapping[int, Row], name: str, n_arms: int) -> Counts:
    return _vector(rows, name, n_arms).astype(np.int64)
