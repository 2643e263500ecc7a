"""Features from running totals, by the arithmetic of ``uplift.spark.event_features``."""

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
from uplift.spark.event_features import DAY_US, EventSummary, feature_summaries

_MILLION = 1e6


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
        kind, days = summary.event_type, -summary.from_day
        match str(summary.aggregate):
            case "count":
                return self._total(kind, days, "n").cast("double")
            case "sum":
                return self._total(kind, days, "total") / _MILLION
            case "mean":
                n_valued = self._total(kind, days, "n_valued")
                return F.try_divide(self._total(kind, days, "total"), n_valued * _MILLION)
            case "trend":
                n, n_both = self._total(kind, days, "n"), self._total(kind, 2 * days, "n")
                return (n - (n_both - n)) / days
            case "max":
                return F.array_max(self._values(kind, days, "highest")) / _MILLION
            case "min":
                return -F.array_max(self._values(kind, days, "lowest")) / _MILLION
            case "distinct":
                n_distinct = F.size(self._values(kind, days, "n_distinct"))
                return n_distinct.cast("double")
            case _:
                return self._recency(kind, days)

    def _total(self, event_type: str, days: int, measure: Measure) -> Column:
        name = self._totals[WindowTotal(event_type, days, measure)]
        return F.coalesce(F.col(name), F.lit(0).cast("bigint"))

    def _values(self, event_type: str, days: int, trace: Trace) -> Column:
        """The values kept of the last ``days`` days; none for a unit without totals."""
        first_day = F.unix_micros(columns.AS_OF) / DAY_US - days
        kept = F.filter(
            F.col(self._traces[event_type, trace]),
            lambda step: step["day"] >= first_day,
        )
        return F.coalesce(
            F.transform(kept, lambda step: step["value"]), F.array().cast("array<bigint>")
        )

    def _recency(self, event_type: str, days: int) -> Column:
        last_us = F.col(self._traces[event_type, "last_us"])
        as_of_us = F.unix_micros(columns.AS_OF)
        ago_us = as_of_us - last_us
        return F.when(ago_us <= days * DAY_US, ago_us / DAY_US)
