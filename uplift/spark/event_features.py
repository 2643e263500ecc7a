"""What events tell about a unit around a moment: every window of every aggregate in one pass.

Point in time means one inequality, kept here and nowhere else: a feature sees only events before
the as-of time, an outcome only events from it on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.config import Aggregate
from uplift.errors import ContractError
from uplift.features.spec import EventColumn
from uplift.spark.contracts import column

DAY_US = 86_400_000_000
LARGEST_VALUE = 1e10  # the int64 sum of millionths holds 900 million events of this value

_MILLION = 1e6
_AT_US, _AS_OF_US, _OFFSET_US = "event_at_us", "as_of_us", "offset_us"
_ZERO_WHEN_SILENT = ("count", "sum")


@dataclass(frozen=True)
class EventSummary:
    """One number from a unit's events of one type, from ``from_day`` up to before ``to_day``.

    Days count from the as-of time: an event belongs to the window if
    ``as_of + from_day <= event_at < as_of + to_day``. A unit without such an event has count and
    sum 0; its mean, max, min and recency are null.
    """

    name: str
    event_type: str
    aggregate: Aggregate
    from_day: int
    to_day: int


def feature_summaries(declared: Sequence[EventColumn]) -> list[EventSummary]:
    """The summaries behind features: windows that end before the as-of time."""
    return [
        EventSummary(c.name, c.event_type, c.aggregate, from_day=-c.window_days, to_day=0)
        for c in declared
    ]


def add_event_summaries(
    units: DataFrame, events: DataFrame, summaries: Sequence[EventSummary], *, as_of: str
) -> DataFrame:
    """Add one double column per summary, as of each unit's own time in the column ``as_of``.

    ``units`` has one row per ``unit_id``. Events count as often as they were logged. Values are
    added as whole millionths, so a sum does not depend on the order in which Spark meets the
    events: the same log gives the same bits.
    """
    if not summaries:
        return units
    near = _events_near(units, events, summaries, as_of)
    found = near.groupBy(columns.UNIT_ID).agg(*[_aggregate(s).alias(s.name) for s in summaries])
    joined = units.join(found, on=columns.UNIT_ID, how="left")
    return joined.select(*[column(name) for name in units.columns], *map(_silence, summaries))


def require_events(events: DataFrame, event_types: Iterable[str], *, source: str) -> None:
    """Refuse events that cannot be placed or added up, and types that never occur.

    A misspelt event type would otherwise be a customer base that never does anything.
    """
    is_lost = F.greatest(*[column(name).isNull() for name in _KEYS])
    is_large = F.abs(columns.VALUE) > LARGEST_VALUE
    found = (
        events.groupBy(columns.EVENT_TYPE)
        .agg(
            F.count(F.lit(1)).alias("rows"),
            F.count_if(is_lost).alias("lost"),
            F.count_if(is_large).alias("large"),
            F.max(F.when(is_large, F.col(columns.VALUE))).alias("largest"),
        )
        .collect()
    )
    rows = sum(row["rows"] for row in found)
    lost = sum(row["lost"] for row in found)
    if lost:
        raise ContractError(
            f"{lost} of {rows} rows of {source} lack one of {', '.join(_KEYS)}. Fill these "
            "columns, or leave the rows out of the table."
        )
    large = [row for row in found if row["large"]]
    if large:
        raise ContractError(
            f"`{columns.VALUE}` of {source} is beyond {LARGEST_VALUE:g} in "
            f"{sum(row['large'] for row in large)} of {rows} rows, such as {large[0]['largest']} "
            f"of a {large[0][columns.EVENT_TYPE]!r}. Correct these rows, or log a larger unit."
        )
    seen = sorted(row[columns.EVENT_TYPE] for row in found)
    wanted = sorted(set(event_types))
    absent = [name for name in wanted if name not in seen]
    if absent:
        raise ContractError(
            f"{source} has no event of {len(absent)} of {len(wanted)} types: {absent}; its {rows} "
            f"rows are of {seen[:10]}. Check `features.events` and `campaign.outcome_event`."
        )


_KEYS = (columns.UNIT_ID, columns.EVENT_TYPE, columns.EVENT_AT)


def _events_near(
    units: DataFrame, events: DataFrame, summaries: Sequence[EventSummary], as_of: str
) -> DataFrame:
    """The events that any summary can see, with their time relative to the unit's as-of time."""
    kinds = sorted({summary.event_type for summary in summaries})
    first_us = min(summary.from_day for summary in summaries) * DAY_US
    end_us = max(summary.to_day for summary in summaries) * DAY_US
    clocks = units.select(columns.UNIT_ID, F.unix_micros(column(as_of)).alias(_AS_OF_US))
    offset_us = F.col(_AT_US) - F.col(_AS_OF_US)
    return (
        events.where(F.col(columns.EVENT_TYPE).isin(kinds))
        .select(
            columns.UNIT_ID,
            columns.EVENT_TYPE,
            columns.VALUE,
            F.unix_micros(columns.EVENT_AT).alias(_AT_US),
        )
        .join(clocks, on=columns.UNIT_ID)
        .select(columns.UNIT_ID, columns.EVENT_TYPE, columns.VALUE, offset_us.alias(_OFFSET_US))
        .where((F.col(_OFFSET_US) >= first_us) & (F.col(_OFFSET_US) < end_us))
    )


def _aggregate(summary: EventSummary) -> Column:
    offset_us = F.col(_OFFSET_US)
    inside = (
        (F.col(columns.EVENT_TYPE) == summary.event_type)
        & (offset_us >= summary.from_day * DAY_US)
        & (offset_us < summary.to_day * DAY_US)
    )
    value = F.when(inside, F.col(columns.VALUE))
    millionths = F.sum(F.rint(value * _MILLION).cast("bigint"))
    aggregates = {
        "count": F.count_if(inside).cast("double"),
        "sum": millionths / _MILLION,
        "mean": F.try_divide(millionths, F.count(value) * _MILLION),
        "max": F.max(value),
        "min": F.min(value),
        "recency": -F.max(F.when(inside, offset_us)) / DAY_US,
    }
    return aggregates[summary.aggregate]


def _silence(summary: EventSummary) -> Column:
    found = column(summary.name)
    if summary.aggregate in _ZERO_WHEN_SILENT:
        found = F.coalesce(found, F.lit(0.0))
    return found.alias(summary.name)
