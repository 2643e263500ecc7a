"""Running totals: one row per unit with what every declared window holds as of a midnight.

``advance`` is the whole arithmetic. A rebuild is an advance from nothing, so that totals which
moved on night by night and totals built anew are the same table.
"""

from dataclasses import dataclass
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.spark.daily.demand import Demand, TypeTrace, WindowTotal
from uplift.spark.daily.fold import DAY, HIGHEST, LAST_US, LOWEST, SEEN
from uplift.spark.event_definitions import DAY_US

_SIGN, _GAIN = "sign", "gained_"
_STEPS = "array<struct<day:int,value:bigint>>"


@dataclass(frozen=True)
class Days:
    """From which midnight to which: windows end before day ``until``, and ended before ``since``.

    The two are equal where the totals stay where they are, or start from nothing.
    """

    since: int
    until: int


def totals_schema(demand: Demand) -> str:
    """The columns of the running totals."""
    types = ["bigint" for _ in demand.totals]
    types += ["bigint" if trace.trace == "last_us" else _STEPS for trace in demand.traces]
    fields = [f"{name} {kind}" for name, kind in zip(demand.columns, types, strict=True)]
    return ", ".join([f"{columns.UNIT_ID} string", *fields])


def advance(
    totals: DataFrame,
    entering: DataFrame,
    leaving: DataFrame,
    *,
    demand: Demand,
    days: Days,
    n_partitions: int,
) -> DataFrame:
    """The totals as of ``days.until``.

    One exchange of the totals and of the daily rows, both by unit.

    Args:
        totals: The totals as of ``days.since``; without rows to start from nothing.
        entering: Daily rows before ``days.until`` that the totals have not seen: new days, late
            events of old ones, or everything.
        leaving: Daily rows in the totals whose day has left one of the windows.
        demand: The columns.
        days: From when to when.
        n_partitions: Into how many tasks, and files, the units are hashed.

    Returns:
        A row for each unit that has any event in its windows, sorted by unit within partitions.
    """
    signed = entering.withColumn(_SIGN, F.lit(1)).unionByName(leaving.withColumn(_SIGN, F.lit(-1)))
    gained = _gains(signed.repartition(n_partitions, columns.UNIT_ID), demand, days)
    before = totals.repartition(n_partitions, columns.UNIT_ID)
    moved = [_added(name) for name in demand.total_columns]
    moved += [
        _moved(trace, name, days)
        for trace, name in zip(demand.traces, demand.trace_columns, strict=True)
    ]
    return (
        before.join(gained, on=columns.UNIT_ID, how="full")
        .select(columns.UNIT_ID, *moved)
        .where(_is_anything(demand))
        .sortWithinPartitions(columns.UNIT_ID)
    )


def _gains(signed: DataFrame, demand: Demand, days: Days) -> DataFrame:
    """Per unit what the daily rows add to each column, in one pass."""
    gains = [
        F.sum(_contribution(total, days)).alias(_GAIN + name)
        for total, name in zip(demand.totals, demand.total_columns, strict=True)
    ]
    gains += [
        _trace_of_rows(trace).alias(_GAIN + name)
        for trace, name in zip(demand.traces, demand.trace_columns, strict=True)
    ]
    return signed.groupBy(columns.UNIT_ID).agg(*gains)


def _contribution(total: WindowTotal, days: Days) -> Column:
    """What one daily row adds to a window: it comes in, it goes out, or neither."""
    is_of_type = F.col(columns.EVENT_TYPE) == total.event_type
    amount = F.col(total.measure)
    enters = is_of_type & (F.col(_SIGN) == 1) & (F.col(DAY) >= days.until - total.days)
    leaves = (
        is_of_type
        & (F.col(_SIGN) == -1)
        & (F.col(DAY) >= days.since - total.days)
        & (F.col(DAY) < days.until - total.days)
    )
    return F.when(enters, amount).when(leaves, -amount)


def _trace_of_rows(trace: TypeTrace) -> Column:
    """What the entering rows of a type leave behind, in any order."""
    is_of_type = (F.col(columns.EVENT_TYPE) == trace.event_type) & (F.col(_SIGN) == 1)
    match trace.trace:
        case "last_us":
            return F.max(F.when(is_of_type, F.col(LAST_US)))
        case "highest" | "lowest":
            extreme = F.col(HIGHEST) if trace.trace == "highest" else -F.col(LOWEST)
            step = F.struct(F.col(DAY).alias("day"), extreme.alias("value"))
            return F.collect_list(F.when(is_of_type & extreme.isNotNull(), step))
        case "n_distinct":
            steps = F.transform(
                F.col(SEEN), lambda value: F.struct(F.col(DAY).alias("day"), value.alias("value"))
            )
            return F.flatten(F.collect_list(F.when(is_of_type, steps)))


def _added(name: str) -> Column:
    zero = F.lit(0).cast("bigint")
    return (F.coalesce(name, zero) + F.coalesce(F.col(_GAIN + name), zero)).alias(name)


def _moved(trace: TypeTrace, name: str, days: Days) -> Column:
    """The old trace and the new one as one, without what no window can see any more."""
    first = days.until - trace.days
    if trace.trace == "last_us":
        latest = F.greatest(F.col(name), F.col(_GAIN + name))
        return F.when(latest >= first * DAY_US, latest).alias(name)
    empty = F.array().cast(_STEPS)
    both = F.concat(F.coalesce(name, empty), F.coalesce(F.col(_GAIN + name), empty))
    inside = F.filter(both, lambda step: step["day"] >= first)
    return (_last_seen(inside) if trace.trace == "n_distinct" else _staircase(inside)).alias(name)


def _staircase(steps: Column) -> Column:
    """The steps that no later day reaches, latest first, so each is higher than those before it.

    The last step inside a window is therefore the highest value in it. For the lowest, values are
    negative.
    """

    def climb(stairs: Column, step: Column) -> Column:
        top = F.get(stairs, F.size(stairs) - 1)["value"]
        is_higher = (F.size(stairs) == 0) | (step["value"] > top)
        return F.when(is_higher, F.concat(stairs, F.array(step))).otherwise(stairs)

    latest_first = F.reverse(F.array_sort(steps))
    return F.aggregate(latest_first, F.array().cast(_STEPS), climb)


def _last_seen(steps: Column) -> Column:
    """Each value once, with its latest day, in order of the values."""
    by_value = F.array_sort(
        F.transform(steps, lambda s: F.struct(s["value"].alias("value"), s["day"].alias("day")))
    )
    next_ones = F.slice(by_value, 2, F.greatest(F.size(by_value), F.lit(1)))
    is_last = F.zip_with(
        by_value,
        next_ones,
        lambda step, after: F.when(
            after.isNull() | (step["value"] != after["value"]),
            F.struct(step["day"].alias("day"), step["value"].alias("value")),
        ),
    )
    return F.filter(is_last, lambda step: step.isNotNull())


def _is_anything(demand: Demand) -> Column:
    """Whether a row says more than a unit without a row does."""
    counts = [F.col(name) != 0 for name in demand.total_columns]
    traces = [
        F.col(name).isNotNull() if trace.trace == "last_us" else F.size(name) > 0
        for trace, name in zip(demand.traces, demand.trace_columns, strict=True)
    ]
    return reduce(or_, [*counts, *traces])
