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
from uplift.spark.training_frame import as_training_set


def flat_training_frame(
    log: DataFrame,
    *,
    campaign: Campaign,
    features: Features,
    test_share: float,
    salt: str,
    source: str,
) -> DataFrame:
    """The table ``training_set`` of a log as ``read_flat_log`` gives it, a row for every row.

    Rows of ignored arms are left out. Revenue is known for every row or, null, for none.
    """
    require_no_event_features(features)
    _require_whole_revenue(log, source)
    numbered = require_known_arms(log, campaign.arms, campaign.ignore_arms, source=source)
    return as_training_set(
        numbered, campaign=campaign, features=features, test_share=test_share, salt=salt
    )


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
