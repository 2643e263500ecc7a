"""From the units of a checked experiment to the table that models learn from."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.config import Campaign, Experiment
from uplift.experiment.split import TEST, TRAIN
from uplift.spark.contracts import column
from uplift.spark.hashing import hash_uniform

_SAME = 1e-6  # chances closer than this are one, which a log may have rounded


def with_propensities(
    units: DataFrame, *, campaign: Campaign, estimated: DataFrame | None = None
) -> DataFrame:
    """Units of ``experiment_units`` with a propensity each.

    Where experiments of different shares are pooled, the chance of the arm drawn does not tell
    those of the others: then ``propensities``, the planned chances of all arms, stands beside it;
    null where a logged propensity is not the planned one.

    Args:
        units: The planned share of the arm stands in for a propensity that was not logged.
        campaign: Has the plan.
        estimated: The table ``propensities`` of a log that nobody randomised: its chances are
            taken, whatever was logged, and units that it trims are left out. ``propensities``, the
            chances of all arms, stays beside that of the arm drawn.
    """
    if estimated is None:
        planned = planned_propensity(campaign)
        propensity = F.coalesce(F.col(columns.PROPENSITY), planned)
        filled = units.withColumn(columns.PROPENSITY, propensity)
        if not plans_differ(campaign):
            return filled
        is_planned = F.abs(F.col(columns.PROPENSITY) - planned) <= _SAME
        chances = F.when(is_planned, planned_propensities(campaign))
        return filled.withColumn(columns.PROPENSITIES, chances)
    keys = [columns.UNIT_ID, columns.EXPERIMENT_ID]
    of_arm = F.element_at(columns.PROPENSITIES, F.col(columns.ARM) + 1)
    kept = estimated.where(~F.col(columns.IS_TRIMMED))
    return (
        units.join(kept, on=keys)
        .withColumn(columns.PROPENSITY, of_arm)
        .select(*map(column, units.columns), columns.PROPENSITIES)
    )


def training_set(units: DataFrame, *, test_share: float, salt: str) -> DataFrame:
    """The table ``training_set``: every unit on a side of the split.

    Args:
        units: Rows of ``experiment_units``, each with a propensity.
        test_share: Share of the randomisation units held out.
        salt: Another salt is another split.
    """
    split = split_column(F.col(columns.CLUSTER_ID), test_share=test_share, salt=salt)
    ordered = [*_FIRST, *(name for name in units.columns if name not in (*_FIRST, *_LEFT_OUT))]
    return units.withColumn(columns.SPLIT, split).select(*map(column, ordered))


_FIRST = (
    columns.UNIT_ID,
    columns.EXPERIMENT_ID,
    columns.ARM,
    columns.PROPENSITY,
    columns.CLUSTER_ID,
    columns.SPLIT,
    columns.CONVERSION,
    columns.REVENUE,
)
_LEFT_OUT = (columns.ASSIGNED_AT,)


def planned_propensity(campaign: Campaign) -> Column:
    """The designed chance of the row's arm in its experiment, shares scaled to add up to 1."""
    return F.element_at(planned_propensities(campaign), F.col(columns.ARM) + 1)


def planned_propensities(campaign: Campaign) -> Column:
    """The designed chances of arms 0..K in the row's experiment, scaled to add up to 1."""
    chances = []
    for experiment in campaign.pooled:
        chances.append(F.lit(experiment.id))
        chances.append(F.array(*map(F.lit, _shares(experiment, campaign))))
    return F.create_map(*chances)[F.col(columns.EXPERIMENT_ID)]


def plans_differ(campaign: Campaign) -> bool:
    """Whether an arm was to be drawn with another chance in one experiment than in another."""
    return len({_shares(experiment, campaign) for experiment in campaign.pooled}) > 1


def _shares(experiment: Experiment, campaign: Campaign) -> tuple[float, ...]:
    names = campaign.arms.names
    shares = experiment.planned_shares or dict.fromkeys(names, 1.0)
    total = sum(shares.values())
    return tuple(shares[name] / total for name in names)


def split_column(cluster_id: Column, *, test_share: float, salt: str) -> Column:
    """What ``uplift.experiment.split.split_of`` answers, computed by Spark."""
    return F.when(hash_uniform(cluster_id, salt) < test_share, TEST).otherwise(TRAIN)
