"""From the log of an experiment to the table that models learn from.

Features look back from the assignment, outcomes look forward from it, and both come from one pass
over the events.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.config import Campaign, Features
from uplift.errors import ContractError
from uplift.experiment.split import TEST, TRAIN
from uplift.features.spec import event_columns, feature_columns, ratio_columns
from uplift.spark.contracts import column
from uplift.spark.event_features import EventSummary, add_event_summaries, feature_summaries
from uplift.spark.hashing import hash_uniform
from uplift.spark.ratios import add_ratios

_MOST_NAMED = 5


def assignments_of(assignments: DataFrame, experiment_id: str, *, source: str) -> DataFrame:
    """The first assignment of every unit in this experiment, arms still by name.

    Later assignments of a unit are repeats or contradictions; either way the first is the one that
    was drawn without knowing how the unit would respond. Of two at the same instant the arm that
    sorts first is kept.
    """
    ours = assignments.where(F.col(columns.EXPERIMENT_ID) == experiment_id)
    if ours.isEmpty():
        ids = assignments.select(columns.EXPERIMENT_ID).distinct().limit(_MOST_NAMED).collect()
        raise ContractError(
            f"{source} has no row of experiment {experiment_id!r}; it has "
            f"{sorted(str(row[0]) for row in ids) or 'no row at all'}. Check `campaign.id`."
        )
    others = [name for name in _DRAWN if name != columns.ASSIGNED_AT]
    first = F.min(F.struct(columns.ASSIGNED_AT, *others)).alias("first")
    return ours.groupBy(columns.UNIT_ID).agg(first).select(columns.UNIT_ID, "first.*")


_DRAWN = (columns.ASSIGNED_AT, columns.ARM, columns.PROPENSITY, columns.CLUSTER_ID)


def training_frame(
    assignments: DataFrame,
    events: DataFrame,
    customers: DataFrame,
    *,
    campaign: Campaign,
    features: Features,
    test_share: float,
    salt: str,
) -> DataFrame:
    """One row per assigned unit: its arm, its outcomes after and its features before.

    Args:
        assignments: One row per unit, arms by number.
        events: What happened, before and after.
        customers: Static attributes, one row per unit; a unit that is not there has nulls.
        campaign: Names the outcome event and its window.
        features: The features to compute as of each unit's assignment.
        test_share: Share of the randomisation units held out.
        salt: Another salt is another split.

    Returns:
        The table ``training_set``. An outcome falls in
        ``[assigned_at, assigned_at + outcome_window_days)``. A unit that bought nothing has
        conversion 0 and revenue 0, not null; revenue is null for everybody where outcome events
        carry no value.
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
        .transform(
            as_training_set, campaign=campaign, features=features, test_share=test_share, salt=salt
        )
    )


def as_training_set(
    frame: DataFrame, *, campaign: Campaign, features: Features, test_share: float, salt: str
) -> DataFrame:
    """Fill in experiment, planned propensity, cluster and split, and put the columns in order."""
    filled = {
        columns.EXPERIMENT_ID: F.lit(campaign.id),
        columns.PROPENSITY: F.coalesce(F.col(columns.PROPENSITY), planned_propensity(campaign)),
        columns.CLUSTER_ID: F.coalesce(F.col(columns.CLUSTER_ID), F.col(columns.UNIT_ID)),
    }
    split = split_column(F.col(columns.CLUSTER_ID), test_share=test_share, salt=salt)
    names = [feature.name for feature in feature_columns(features)]
    return (
        frame.transform(add_ratios, ratio_columns(features))
        .withColumns(filled)
        .withColumn(columns.SPLIT, split)
        .select(*_TRAINING_SET, *map(column, names))
    )


_TRAINING_SET = (
    columns.UNIT_ID,
    columns.EXPERIMENT_ID,
    columns.ARM,
    columns.PROPENSITY,
    columns.CLUSTER_ID,
    columns.SPLIT,
    columns.CONVERSION,
    columns.REVENUE,
)


def planned_propensity(campaign: Campaign) -> Column:
    """The designed chance of the arm in the column ``arm``, shares scaled to add up to 1."""
    names = campaign.arms.names
    shares = campaign.planned_shares or dict.fromkeys(names, 1.0)
    total = sum(shares.values())
    return F.element_at(
        F.array(*[F.lit(shares[name] / total) for name in names]), F.col(columns.ARM) + 1
    )


def split_column(cluster_id: Column, *, test_share: float, salt: str) -> Column:
    """What ``uplift.experiment.split.split_of`` answers, computed by Spark."""
    return F.when(hash_uniform(cluster_id, salt) < test_share, TEST).otherwise(TRAIN)


def _outcome_summaries(event_type: str, window_days: int) -> list[EventSummary]:
    return [
        EventSummary(columns.CONVERSION, event_type, "count", from_day=0, to_day=window_days),
        EventSummary(columns.REVENUE, event_type, "sum", from_day=0, to_day=window_days),
    ]


def _has_values(events: DataFrame, event_type: str) -> bool:
    valued = (F.col(columns.EVENT_TYPE) == event_type) & F.col(columns.VALUE).isNotNull()
    return not events.where(valued).isEmpty()
