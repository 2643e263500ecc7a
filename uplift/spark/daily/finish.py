"""Features from running totals, as ``uplift.spark.event_definitions`` defines them."""

from collections.abc import Sequence
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.config import Features
from uplift.features.spec import event_columns
from uplift.spark.contracts import column
from uplift.spark.customer_features import as_customer_features, instant
from uplift.spark.daily.demand import Demand, Measure, Trace, WindowTotal
from uplift.spark.event_definitions import (
    DAY_US,
    EventPart,
    EventSummary,
    feature_summaries,
    finished,
    parts_of,
)


def customer_features_from_totals(
    customers: DataFrame,
    totals: DataFrame,
    *,
    features: Features,
    demand: Demand,
    as_of: datetime,
) -> DataFrame:
    """One row per customer, equal to the last bit to ``customer_features`` from raw events.

    Args:
        customers: ``unit_id, contactable`` and the static features.
        totals: The running totals as of ``as_of``.
        features: The declaration.
        demand: The columns of ``totals``, asked for by the same declaration.
        as_of: A midnight in UTC.
    """
    timed = customers.withColumn(columns.AS_OF, instant(as_of))
    summaries = feature_summaries(event_columns(features))
    return add_summaries_from_totals(timed, totals, summaries, demand=demand).transform(
        as_customer_features, features=features
    )


def add_summaries_from_totals(
    units: DataFrame, totals: DataFrame, summaries: Sequence[EventSummary], *, demand: Demand
) -> DataFrame:
    """Add one double column per summary, as of the midnight in the column ``as_of``.

    A unit without totals has done nothing in any window.
    """
    joined = units.join(totals, on=columns.UNIT_ID, how="left")
    finished = [_Parts(demand).finish(summary).alias(summary.name) for summary in summaries]
    return joined.select(*[column(name) for name in units.columns], *finished)


class _Parts:
    """The whole numbers behind a summary, read off the totals' columns."""

    def __init__(self, demand: Demand) -> None:
        self._totals = dict(zip(demand.totals, demand.total_columns, strict=True))
        self._traces = {
            (trace.event_type, trace.trace): name
            for trace, name in zip(demand.traces, demand.trace_columns, strict=True)
        }

    def finish(self, summary: EventSummary) -> Column:
        """The summary as a double."""
        as_of_us = F.unix_micros(columns.AS_OF)
        return finished(summary, list(map(self._part, parts_of(summary))), as_of_us=as_of_us)

    def _part(self, part: EventPart) -> Column:
        match part.part:
            case "n" | "n_valued" | "total" as measure:
                whole = self._total(part.event_type, -part.from_day, measure)
                if not part.to_day:
                    return whole
                return whole - self._total(part.event_type, -part.to_day, measure)
            case "highest":
                return F.array_max(self._values(part, "highest"))
            case "lowest":
                return -F.array_max(self._values(part, "lowest"))
            case "n_distinct":
                return F.size(self._values(part, "n_distinct")).cast("bigint")
            case "last_us":
                last_us = F.col(self._traces[part.event_type, "last_us"])
                return F.when(last_us >= _start_us(part), last_us)

    def _total(self, event_type: str, days: int, measure: Measure) -> Column:
        name = self._totals[WindowTotal(event_type, days, measure)]
        return F.coalesce(F.col(name), F.lit(0).cast("bigint"))

    def _values(self, part: EventPart, trace: Trace) -> Column:
        """The values kept of a window's days; none for a unit without totals."""
        kept = F.filter(
            F.col(self._traces[part.event_type, trace]),
            lambda step: step["day"].cast("bigint") * DAY_US >= _start_us(part),
        )
        return F.coalesce(
            F.transform(kept, lambda step: step["value"]), F.array().cast("array<bigint>")
        )


def _start_us(part: EventPart) -> Column:
    return F.unix_micros(columns.AS_OF) + part.from_day * DAY_US
