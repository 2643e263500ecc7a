"""The sums behind the checks of an experiment that need more than one row at a time.

Each function is one Spark job. As elsewhere, a sum may differ in its last bits from run to run.
"""

from collections.abc import Sequence

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.experiment.checks.exposure import PROPENSITY_BINS, Contamination, PropensitySums
from uplift.experiment.checks.log import EventCounts
from uplift.experiment.clusters import ClusterSums
from uplift.experiment.counts import Vector
from uplift.spark.aggregates import by_arm, counts_by_arm, vector_by_arm
from uplift.spark.contracts import column
from uplift.spark.event_features import DAY_US, EventSummary, add_event_summaries

_BEFORE = "conversion_before"


def cluster_sums(units: DataFrame, outcomes: Sequence[str], *, n_arms: int) -> ClusterSums:
    """What ``uplift.experiment.clusters.cluster_sums`` takes from rows, in one pass.

    Args:
        units: One row per unit, with ``arm``, ``cluster_id``, ``propensity`` and the outcomes.
        outcomes: Columns of doubles; null is missing.
        n_arms: K + 1.
    """
    weight = 1.0 / F.col(columns.PROPENSITY)
    weights = [F.when(column(name).isNotNull(), weight).otherwise(0.0) for name in outcomes]
    totals = [
        F.sum(F.coalesce(weight * column(name), F.lit(0.0))).alias(f"total {c}")
        for c, name in enumerate(outcomes)
    ]
    of_cluster = units.groupBy(columns.CLUSTER_ID, columns.ARM).agg(
        *[F.sum(w).alias(f"weight {c}") for c, w in enumerate(weights)], *totals
    )
    of_arm = by_arm(of_cluster.groupBy(columns.ARM).agg(*_moments(len(outcomes))))

    def table(what: str) -> Vector:
        cells = [vector_by_arm(of_arm, f"{what} {c}", n_arms) for c in range(len(outcomes))]
        return np.column_stack(cells)

    return ClusterSums(
        outcomes=tuple(outcomes),
        n_clusters=counts_by_arm(of_arm, "n", n_arms),
        weight_mean=table("weight mean"),
        weight_variance=table("weight variance"),
        total_mean=table("total mean"),
        total_variance=table("total variance"),
        covariance=table("covariance"),
    )


def _moments(n_outcomes: int) -> list[Column]:
    moments = [F.count(F.lit(1)).alias("n")]
    for c in range(n_outcomes):
        weight, total = f"weight {c}", f"total {c}"
        moments += [
            F.avg(weight).alias(f"weight mean {c}"),
            F.var_pop(weight).alias(f"weight variance {c}"),
            F.avg(total).alias(f"total mean {c}"),
            F.var_pop(total).alias(f"total variance {c}"),
            F.covar_pop(weight, total).alias(f"covariance {c}"),
        ]
    return moments


def propensity_sums(units: DataFrame, *, n_arms: int) -> PropensitySums:
    """Weights and a histogram of the chances of the arms drawn, in one pass.

    Args:
        units: One row per unit, with ``arm`` and ``propensity``, which is never null here.
        n_arms: K + 1.
    """
    propensity = F.col(columns.PROPENSITY)
    place = F.least(F.floor(propensity * PROPENSITY_BINS), F.lit(PROPENSITY_BINS - 1))
    bins = [F.count_if(place == b).alias(f"bin {b}") for b in range(PROPENSITY_BINS)]
    of_arm = by_arm(
        units.groupBy(columns.ARM).agg(
            F.count(F.lit(1)).alias("n"),
            F.sum(1.0 / propensity).alias("weight"),
            F.sum(1.0 / (propensity * propensity)).alias("squared weight"),
            *bins,
        )
    )
    in_bin = [counts_by_arm(of_arm, f"bin {b}", n_arms) for b in range(PROPENSITY_BINS)]
    return PropensitySums(
        n=counts_by_arm(of_arm, "n", n_arms),
        weight=vector_by_arm(of_arm, "weight", n_arms),
        squared_weight=vector_by_arm(of_arm, "squared weight", n_arms),
        in_bin=np.column_stack(in_bin),
    )


def event_counts(events: DataFrame, *, late_days: int) -> EventCounts:
    """How the events were logged, in one pass that shuffles 8 bytes of hash per distinct event.

    Two different events share a hash once in 10^19 pairs, so a count is exact for all purposes.

    Args:
        events: With ``unit_id``, ``event_type``, ``event_at``, ``value``, and ``logged_at`` if it
            is known.
        late_days: An event logged longer after it happened is late.
    """
    knows_logged = columns.LOGGED_AT in events.columns
    logged_us = F.unix_micros(columns.LOGGED_AT) if knows_logged else F.lit(None).cast("long")
    at_us = F.unix_micros(columns.EVENT_AT)
    same = F.xxhash64(columns.UNIT_ID, columns.EVENT_TYPE, columns.EVENT_AT, columns.VALUE)
    found = (
        events.groupBy(same.alias("same"), F.col(columns.VALUE).isNull())
        .agg(
            F.count(F.lit(1)).alias("n"),
            F.count(logged_us).alias("logged"),
            F.count_if(logged_us > at_us + late_days * DAY_US).alias("late"),
            F.max(at_us).alias("last"),
        )
        .agg(
            F.sum("n").alias("n"),
            F.sum(F.col("n") - 1).alias("repeated"),
            F.sum("logged").alias("logged"),
            F.sum("late").alias("late"),
            F.max("last").alias("last"),
        )
        .first()
    )
    if found is None or found["n"] is None:
        return EventCounts(0, 0, 0, 0, None)
    return EventCounts(found["n"], found["repeated"], found["logged"], found["late"], found["last"])


def contamination(
    units: DataFrame, elsewhere: DataFrame, *, n_arms: int, window_days: int
) -> Contamination | None:
    """Units that another experiment drew at about the same time; None where there is no other.

    Args:
        units: One row per unit, with ``arm`` and ``assigned_at``.
        elsewhere: Assignments of other experiments, with ``unit_id`` and ``assigned_at``.
        n_arms: K + 1.
        window_days: Nearer than this, before or after, is about the same time.
    """
    if elsewhere.isEmpty():
        return None
    other = elsewhere.select(
        columns.UNIT_ID, F.unix_micros(columns.ASSIGNED_AT).alias("other_us")
    ).alias("other")
    at_us = F.unix_micros(columns.ASSIGNED_AT)
    is_near = F.abs(at_us - F.col("other_us")) < window_days * DAY_US
    is_same = units[columns.UNIT_ID] == F.col(f"other.{columns.UNIT_ID}")
    in_both = units.join(other, on=is_same & is_near, how="left_semi")
    n = by_arm(units.groupBy(columns.ARM).agg(F.count(F.lit(1)).alias("n")))
    n_elsewhere = by_arm(in_both.groupBy(columns.ARM).agg(F.count(F.lit(1)).alias("n")))
    return Contamination(
        n=counts_by_arm(n, "n", n_arms), n_elsewhere=counts_by_arm(n_elsewhere, "n", n_arms)
    )


def sums_before(
    units: DataFrame, events: DataFrame, *, event_type: str, window_days: int, n_arms: int
) -> ClusterSums:
    """Conversion in the outcome window before the assignment, by randomisation unit.

    Args:
        units: One row per unit, with ``arm``, ``assigned_at``, ``cluster_id`` and ``propensity``.
        events: What happened.
        event_type: That counts as a conversion.
        window_days: Length of the window, which ends before the assignment.
        n_arms: K + 1.
    """
    before = EventSummary(_BEFORE, event_type, "count", from_day=-window_days, to_day=0)
    frame = add_event_summaries(units, events, [before], as_of=columns.ASSIGNED_AT)
    converted = F.least(F.col(_BEFORE), F.lit(1.0))
    return cluster_sums(frame.withColumn(_BEFORE, converted), [_BEFORE], n_arms=n_arms)
