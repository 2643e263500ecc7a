"""Units and events as frames, for the tests of what is summed up from events."""

from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
AGGREGATES = ("count", "sum", "mean", "max", "min", "recency", "distinct", "trend")


def units_frame(spark, units):
    return spark.createDataFrame(units, "unit_id string, now timestamp")


def events_frame(spark, events):
    schema = "unit_id string, event_type string, event_at timestamp, value double"
    return spark.createDataFrame(events, schema)
