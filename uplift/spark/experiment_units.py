"""From the log of an experiment to one row per unit: who drew what, knew what, and did what then.

Features look back from the assignment, outcomes look forward from it, and both come from one pass
over the events.
"""

from collections.abc import Sequence
from typing import Literal

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from uplift import columns
from uplift.config import Campaign, Features
from uplift.errors import ContractError
from uplift.features.spec import event_columns, feature_columns, ratio_columns
from uplift.spark.contracts import column
from uplift.spark.event_features import EventSummary, add_event_summaries, feature_summaries
from uplift.spark.ratios import add_ratios

_MOST_NAMED = 5
_DRAWN = (columns.ARM, columns.PROPENSITY, columns.CLUSTER_ID)
_EXPERIMENT_UNITS = (
    columns.UNIT_ID,
    columns.EXPERIMENT_ID,
    columns.ARM,
    columns.ASSIGNED_AT,
    columns.PROPENSITY,
    columns.CLUSTER_ID,
    columns.CONVERSION,
    columns.REVENUE,
)


def assignments_of(
    assignments: DataFrame, experiment_ids: Sequence[str], *, source: str
) -> DataFrame:
    """All assignments of these experiments, arms still by name.

    Raises:
        ContractError: The log has no row of one of them.
    """
    ours = assignments.where(F.col(columns.EXPERIMENT_ID).isin(list(experiment_ids)))
    seen = {row[0] for row in ours.select(columns.EXPERIMENT_ID).distinct().collect()}
    absent = [name for name in experiment_ids if name not in seen]
    if absent:
        ids = assignments.select(columns.EXPERIMENT_ID).distinct().limit(_MOST_NAMED).collect()
        raise ContractError(
            f"{source} has no row of experiment {', '.join(map(repr, absent))}; it has "
            f"{sorted(str(row[0]) for row in ids) or 'no row at all'}. Check `campaign.id` and "
            "`campaign.experiments`."
        )
    return ours


def first_assignments(
    assignments: DataFrame, *, rows_per_unit: Literal["first", "each_experiment"]
) -> DataFrame:
    """What counts of each unit: its first assignment, or its first in every experiment.

    Later assignments of a unit are repeats or contradictions; either way the first is the one that
    was drawn without knowing how the unit would respond. Of two at the same instant the one that
    sorts first by experiment and arm is kept.
    """
    keys = [columns.UNIT_ID]
    if rows_per_unit == "each_experiment":
        keys.append(columns.EXPERIMENT_ID)
    carried = [name for name in (columns.EXPERIMENT_ID, *_DRAWN) if name not in keys]
    first = F.min(F.struct(columns.ASSIGNED_AT, *carried)).alias("first")
    return assignments.groupBy(*keys).agg(first).select(*keys, "first.*")


def in_their_clusters_arm(assignments: DataFrame) -> DataFrame:
    """Without units that drew another arm than their cluster did first in the experiment.

    A household is drawn once; a member with another arm is a slip of whoever handed out coupons.
    The experiment's check counts such slips and refuses a log with many of them.
    """
    cluster = Window.partitionBy(columns.EXPERIMENT_ID, columns.CLUSTER_ID)
    order = F.struct(columns.ASSIGNED_AT, columns.ARM)
    drawn = F.min_by(columns.ARM, order).over(cluster)
    kept = assignments.withColumn("drawn", drawn).where(F.col("drawn") == F.col(columns.ARM))
    return kept.drop("drawn")


def experiment_units(
    assignments: DataFrame,
    events: DataFrame,
    customers: DataFrame,
    *,
    campaign: Campaign,
    features: Features,
) -> DataFrame:
    """One row per assignment: its arm, its outcomes after and its features before.

    Args:
        assignments: As ``first_assignments`` gives them, arms by number.
        events: What happened, before and after.
        customers: Static attributes, one row per unit; a unit that is not there has nulls.
        campaign: Names the outcome event and its window.
        features: The features to compute as of each assignment.

    Returns:
        The table ``experiment_units``. An outcome falls in
        ``[assigned_at, assigned_at + outcome_window_days)``. A unit that bought nothing has
        conversion 0 and revenue 0, not null; revenue is null for everybody where outcome events
        carry no value. ``propensity`` is null where none was logged.
    """
    outcomes = _outcome_summaries(campaign.outcome_event, campaign.outcome_window_days)
    summaries = [*feature_summaries(event_columns(features)), *outcomes]
    static = [column(feature.name) for feature in features.static]
    known = customers.select(columns.UNIT_ID, *static)
    drop_repeated = features.repeated_events == "drop"
    frame = add_event_summaries(
        assignments, events, summaries, as_of=columns.ASSIGNED_AT, drop_repeated=drop_repeated
    )
    converted = F.least(F.col(columns.CONVERSION), F.lit(1.0))
    revenue = F.lit(None) if not _has_values(events, campaign.outcome_event) else F.col("revenue")
    return (
        frame.withColumn(columns.CONVERSION, converted)
        .withColumn(columns.REVENUE, revenue.cast("double"))
        .join(known, on=columns.UNIT_ID, how="left")
        .transform(as_experiment_units, features=features)
    )


def as_experiment_units(frame: DataFrame, *, features: Features) -> DataFrame:
    """Put the columns of the table ``experiment_units`` in order."""
    cluster_id = F.coalesce(F.col(columns.CLUSTER_ID), F.col(columns.UNIT_ID))
    names = [feature.name for feature in feature_columns(features)]
    complete = add_ratios(frame, ratio_columns(features))
    return complete.withColumn(columns.CLUSTER_ID, cluster_id).select(
        *_EXPERIMENT_UNITS, *map(column, names)
    )


def _outcome_summaries(event_type: str, window_days: int) -> list[EventSummary]:
    return [
        EventSummary(columns.CONVERSION, event_type, "count", from_day=0, to_day=window_days),
        EventSummary(columns.REVENUE, event_type, "sum", from_day=0, to_day=window_days),
    ]


def _has_values(events: DataFrame, event_type: str) -> bool:
    valued = (F.col(columns.EVENT_TYPE) == event_type) & F.col(columns.VALUE).isNotNull()
    return not events.where(valued).isEmpty()
