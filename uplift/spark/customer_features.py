"""Everybody's features as of one moment, by the definitions that the model was trained on."""

from datetime import UTC, date, datetime, time, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.config import Features
from uplift.errors import ContractError
from uplift.features.spec import event_columns, feature_columns, ratio_columns
from uplift.spark.contracts import column
from uplift.spark.event_features import DAY_US, add_event_summaries, feature_summaries
from uplift.spark.ratios import add_ratios

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def customer_features(
    customers: DataFrame, events: DataFrame, *, features: Features, as_of: datetime
) -> DataFrame:
    """One row per customer: ``unit_id, as_of, contactable`` and the features as of then.

    A customer who never did anything is here too, with counts of 0.
    """
    timed = customers.withColumn(columns.AS_OF, instant(as_of))
    summaries = feature_summaries(event_columns(features))
    drop_repeated = features.repeated_events == "drop"
    return add_event_summaries(
        timed, events, summaries, as_of=columns.AS_OF, drop_repeated=drop_repeated
    ).transform(as_customer_features, features=features)


def as_customer_features(frame: DataFrame, *, features: Features) -> DataFrame:
    """Put the columns of the table ``customer_features`` in order."""
    names = [feature.name for feature in feature_columns(features)]
    complete = add_ratios(frame, ratio_columns(features))
    return complete.select(columns.UNIT_ID, columns.AS_OF, columns.CONTACTABLE, *map(column, names))


def scoring_time(events: DataFrame, run_date: date | None, *, source: str) -> datetime:
    """The start of ``run_date`` in UTC; without one, of the day after the last event."""
    if run_date is not None:
        return start_of(run_date)
    last = events.agg(F.max(F.unix_micros(columns.EVENT_AT)).alias("us")).first()
    if last is None or last["us"] is None:
        raise ContractError(
            f"{source} has no event with a time, so the day to score cannot be told. "
            "Set `run_date`, or check the table."
        )
    return _EPOCH + timedelta(days=last["us"] // DAY_US + 1)


def start_of(day: date) -> datetime:
    """Midnight UTC at the beginning of ``day``."""
    return datetime.combine(day, time.min, tzinfo=UTC)


def instant(moment: datetime) -> Column:
    """A time as a Spark literal that no time zone setting can shift."""
    return F.timestamp_micros(F.lit((moment - _EPOCH) // timedelta(microseconds=1)))
