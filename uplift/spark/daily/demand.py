"""What running totals must hold, so that every declared summary follows from them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from uplift.errors import ConfigError
from uplift.spark.event_definitions import EventPart, EventSummary, parts_of

Measure = Literal["n", "n_valued", "total"]
Trace = Literal["last_us", "highest", "lowest", "n_distinct"]


@dataclass(frozen=True, order=True)
class WindowTotal:
    """A whole number that sums up the last ``days`` days of one event type."""

    event_type: str
    days: int
    measure: Measure


@dataclass(frozen=True, order=True)
class TypeTrace:
    """What is kept of one event type to answer every window of up to ``days`` days.

    ``last_us`` is the time of the last event; ``highest`` and ``lowest`` are the staircases of the
    daily extremes; ``n_distinct`` are the different values, each with the day it was last seen.
    """

    event_type: str
    trace: Trace
    days: int


@dataclass(frozen=True)
class Demand:
    """The columns of the running totals, in order."""

    totals: tuple[WindowTotal, ...]
    traces: tuple[TypeTrace, ...]

    @property
    def longest(self) -> int:
        """How many days back the totals look."""
        return max([t.days for t in self.totals] + [t.days for t in self.traces])

    @property
    def lengths(self) -> set[int]:
        """The lengths, in days, of all windows that are added up."""
        return {total.days for total in self.totals}

    @property
    def total_columns(self) -> list[str]:
        """A name for each total; numbers, for event types may differ only in case."""
        return [f"total_{number}" for number in range(len(self.totals))]

    @property
    def trace_columns(self) -> list[str]:
        """A name for each trace."""
        return [f"trace_{number}" for number in range(len(self.traces))]

    @property
    def columns(self) -> list[str]:
        """All of them."""
        return self.total_columns + self.trace_columns


def demand_of(summaries: Sequence[EventSummary]) -> Demand:
    """What these summaries ask for; a window asked for twice is kept once.

    Raises:
        ConfigError: A summary does not end at the as-of time, or no running total can answer it.
    """
    for summary in summaries:
        _check(summary)
    parts = [part for summary in summaries for part in parts_of(summary)]
    return Demand(
        tuple(sorted({total for part in parts for total in _totals(part)})),
        tuple(_longest_traces(parts)),
    )


def valued_types(summaries: Iterable[EventSummary]) -> list[str]:
    """The event types whose different values the daily rows must keep."""
    parts = [part for summary in summaries for part in parts_of(summary)]
    return sorted({part.event_type for part in parts if part.part == "n_distinct"})


def _totals(part: EventPart) -> list[WindowTotal]:
    """A window that ends before tonight is the difference of two that end tonight."""
    return [
        WindowTotal(part.event_type, -first, measure)
        for measure in get_args(Measure)
        if measure == part.part
        for first in (part.from_day, part.to_day)
        if first
    ]


def _longest_traces(parts: Sequence[EventPart]) -> list[TypeTrace]:
    days: dict[tuple[str, Trace], int] = {}
    for part in parts:
        for trace in get_args(Trace):
            if trace == part.part:
                key = (part.event_type, trace)
                days[key] = max(days.get(key, 0), -part.from_day)
    return sorted(TypeTrace(kind, trace, longest) for (kind, trace), longest in days.items())


def _check(summary: EventSummary) -> None:
    if summary.to_day != 0 or summary.from_day >= 0:
        raise ConfigError(
            f"{summary.name} covers day {summary.from_day} to {summary.to_day}; running totals "
            "answer windows that end at the as-of time. Set `features.incremental` to false."
        )
