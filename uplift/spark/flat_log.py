"""A log with one row per unit joins the walk here: its features were computed by its owner.

It has no clock. What was true before the experiment is taken to be true when customers are scored.
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.config import Campaign, Features
from uplift.errors import ConfigError, ContractError
from uplift.spark.contracts import require_known_arms
from uplift.spark.customer_features import as_customer_features, instant, start_of
from uplift.spark.experiment_units import as_experiment_units


def flat_experiment_units(
    log: DataFrame, *, campaign: Campaign, features: Features, source: str
) -> DataFrame:
    """The table ``experiment_units`` of a log as ``read_flat_log`` gives it, a row for every row.

    Rows of ignored arms are left out. Revenue is known for every row or, null, for none.

    Raises:
        ConfigError: The campaign pools several experiments; a flat log is one.
    """
    require_no_event_features(features)
    if campaign.experiments:
        raise ConfigError(
            f"`campaign.experiments` lists {len(campaign.experiments)} experiments, but a flat log "
            "is one. Set it to [], or bring the three tables of `inputs.raw`."
        )
    _require_whole_revenue(log, source)
    known = {
        columns.EXPERIMENT_ID: F.lit(campaign.id),
        columns.ASSIGNED_AT: F.lit(None).cast("timestamp"),
    }
    numbered = require_known_arms(log, campaign.arms, campaign.ignore_arms, source=source)
    return numbered.withColumns(known).transform(as_experiment_units, features=features)


def flat_customer_features(
    log: DataFrame, *, features: Features, run_date: date | None
) -> DataFrame:
    """The table ``customer_features`` of the same rows, all arms, everybody contactable.

    Raises:
        ConfigError: There is no ``run_date``. The rows tell no time, and a made-up one would be
            published as the day that the scores hold for.
    """
    require_no_event_features(features)
    if run_date is None:
        raise ConfigError(
            "`run_date` is null, and a flat log has no times to take it from. Set `run_date` to "
            "the day as of which the features hold."
        )
    timed = log.withColumn(columns.AS_OF, instant(start_of(run_date)))
    return timed.withColumn(columns.CONTACTABLE, F.lit(True)).transform(
        as_customer_features, features=features
    )


def require_no_event_features(features: Features) -> None:
    """Refuse features that only a log of events could give."""
    if features.events:
        kinds = [feature.event_type for feature in features.events]
        raise ConfigError(
            f"`features.events` declares {len(kinds)} event types {kinds}, but a flat log has no "
            "events. Set it to [] and name the log's columns in `features.static`."
        )


def _require_whole_revenue(log: DataFrame, source: str) -> None:
    found = log.agg(
        F.count(F.lit(1)).alias("rows"), F.count(columns.REVENUE).alias("known")
    ).first()
    if found is not None and 0 < found["known"] < found["rows"]:
        raise ContractError(
            f"the revenue is null in {found['rows'] - found['known']} of {found['rows']} rows of "
            f"{source}. Write 0 where nothing was spent, or set `inputs.flat_log.revenue` to null."
        )
