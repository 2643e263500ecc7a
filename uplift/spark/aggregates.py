"""Big tables of assignments into the small sums that the experiment's checks read.

Arms are numbers here. A sum may differ in its last bits from run to run, because Spark adds in
the order in which partitions arrive.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from uplift import columns
from uplift.experiment.checks.draws import Draws
from uplift.experiment.counts import (
    MOST_LEVELS,
    ArmCounts,
    Counts,
    Vector,
    level_counts,
)
from uplift.spark.contracts import column
from uplift.spark.event_features import DAY_US


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
    of_arm = by_arm(frame.groupBy(columns.ARM).agg(*sums))

    def table(what: str) -> Vector:
        cells = [[_number(of_arm, k, f"{what} {c}") for c in numeric] for k in range(n_arms)]
        return np.array(cells, dtype=np.float64).reshape(n_arms, len(numeric))

    n = counts_by_arm(of_arm, "n", n_arms)
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


def draws(
    assignments: DataFrame,
    *,
    n_arms: int,
    last_event_us: int | None = None,
    window_days: int = 0,
) -> Draws:
    """What was drawn and with what logged chance, in two passes over all assignments.

    Args:
        assignments: Also repeated ones, with ``arm``, ``unit_id``, ``cluster_id``, ``propensity``,
            ``assigned_at`` (null where the log has no times), and ``logged_at`` if it is known.
        n_arms: K + 1.
        last_event_us: Time of the last event, microseconds since 1970; None: the log has no times.
        window_days: Of the outcome.
    """
    order = F.struct(columns.ASSIGNED_AT, columns.ARM)
    of_unit = assignments.groupBy(columns.CLUSTER_ID, columns.UNIT_ID).agg(
        F.min(order).alias("first"),
        F.min(columns.ARM).alias("lowest"),
        F.max(columns.ARM).alias("highest"),
        F.count(F.lit(1)).alias("n"),
    )
    drawn = of_unit.groupBy(columns.CLUSTER_ID).agg(
        F.min("first")[columns.ARM].alias(columns.ARM),
        (F.min("lowest") != F.max("highest")).alias("is_in_two_arms"),
        F.sum(F.col("n") - 1).alias("repeated"),
    )
    of_drawn = by_arm(
        drawn.groupBy(columns.ARM).agg(
            F.count(F.lit(1)).alias("n"),
            F.count_if("is_in_two_arms").alias("in_two_arms"),
            F.sum("repeated").alias("repeated"),
        )
    )
    at_us = F.unix_micros(columns.ASSIGNED_AT)
    end_us = at_us + window_days * DAY_US
    last_us = F.lit(last_event_us).cast("long")
    knows_logged = columns.LOGGED_AT in assignments.columns
    logged_at = F.col(columns.LOGGED_AT) if knows_logged else F.lit(None).cast("timestamp")
    of_assigned = by_arm(
        assignments.groupBy(columns.ARM).agg(
            F.count(F.lit(1)).alias("n"),
            F.count_if(F.col(columns.PROPENSITY).isNull()).alias("unlogged"),
            F.min(columns.PROPENSITY).alias("lowest"),
            F.max(columns.PROPENSITY).alias("highest"),
            F.count_if(at_us > last_us).alias("late"),
            F.count_if(end_us > last_us + DAY_US).alias("open"),
            F.count(logged_at).alias("dated"),
            F.count_if(F.unix_micros(logged_at) >= end_us).alias("afterwards"),
        )
    )

    def total(name: str) -> int:
        return int(counts_by_arm(of_assigned, name, n_arms).sum())

    has_times = last_event_us is not None
    return Draws(
        n=counts_by_arm(of_drawn, "n", n_arms),
        n_in_two_arms=int(counts_by_arm(of_drawn, "in_two_arms", n_arms).sum()),
        n_assignments=counts_by_arm(of_assigned, "n", n_arms),
        n_without_propensity=counts_by_arm(of_assigned, "unlogged", n_arms),
        lowest_propensity=vector_by_arm(of_assigned, "lowest", n_arms, empty=np.nan),
        highest_propensity=vector_by_arm(of_assigned, "highest", n_arms, empty=np.nan),
        n_repeated=int(counts_by_arm(of_drawn, "repeated", n_arms).sum()),
        n_after_last_event=total("late") if has_times else None,
        n_open=total("open") if has_times else None,
        n_logged_afterwards=total("afterwards") if total("dated") else None,
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


def by_arm(grouped: DataFrame) -> Mapping[int, Row]:
    """The rows of a small frame with one row per arm."""
    return {row[columns.ARM]: row for row in grouped.collect()}


def _number(rows: Mapping[int, Row], arm: int, name: str, empty: float = 0.0) -> float:
    """One cell; an arm without rows, or a null, is ``empty``."""
    value = rows[arm][name] if arm in rows else None
    return empty if value is None else float(value)


def vector_by_arm(rows: Mapping[int, Row], name: str, n_arms: int, empty: float = 0.0) -> Vector:
    """One column of ``by_arm``, shape (n_arms,); an arm without rows, or a null, is ``empty``."""
    return np.array([_number(rows, k, name, empty) for k in range(n_arms)], dtype=np.float64)


def counts_by_arm(rows: Mapping[int, Row], name: str, n_arms: int) -> Counts:
    """The same for counts; an arm without rows has none."""
    return vector_by_arm(rows, name, n_arms).astype(np.int64)
