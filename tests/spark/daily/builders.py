"""A source of event files that changes from night to night, and the features of it by hand."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from uplift.config import RawInputs
from uplift.spark.daily.demand import demand_of, valued_types
from uplift.spark.daily.finish import add_summaries_from_totals
from uplift.spark.daily.fold import fold_events
from uplift.spark.daily.ledger import day_number
from uplift.spark.daily.night import bring_totals
from uplift.spark.daily.store import DailyStore
from uplift.spark.event_features import EventSummary
from uplift.spark.row_rules import Contracted

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
START = datetime(2026, 3, 10, tzinfo=UTC)
AGGREGATES = ("count", "sum", "mean", "max", "min", "recency", "distinct", "trend")
UNITS = [f"u{number}" for number in range(8)]

Event = tuple[str, str, datetime, float | None]


def summaries(
    aggregates: Sequence[str] = AGGREGATES, days: Sequence[int] = (1, 4)
) -> list[EventSummary]:
    """Every aggregate of purchases in every window, and the visits of three days."""
    declared = [
        EventSummary(f"{aggregate}_{n}", "purchase", aggregate, from_day=-n, to_day=0)
        for aggregate in aggregates
        for n in days
    ]
    return [*declared, EventSummary("visits", "visit", "count", from_day=-3, to_day=0)]


ALL = summaries()


class Source:
    """A folder of event files, and what stands in each."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "events"
        self.folder.mkdir(parents=True)
        self.files: dict[str, list[Event]] = {}
        self.clock = 1_700_000_000
        self.raw = RawInputs(assignments="-", events=str(self.folder), customers="-")

    def write(self, name: str, events: Sequence[Event]) -> None:
        """Write a file, over the older one of that name."""
        self.files[name] = list(events)
        units, kinds, times, values = zip(*events, strict=True) if events else ((), (), (), ())
        table = {
            "unit_id": pa.array(units, pa.string()),
            "event_type": pa.array(kinds, pa.string()),
            "event_at": pa.array(times, pa.timestamp("us", "UTC")),
            "value": pa.array(values, pa.float64()),
        }
        pq.write_table(pa.table(table), self.folder / name)
        self.clock += 1
        os.utime(self.folder / name, (self.clock, self.clock))

    def delete(self, name: str) -> None:
        del self.files[name]
        (self.folder / name).unlink()

    @property
    def events(self) -> list[Event]:
        return [event for events in self.files.values() for event in events]


def random_day(rng: np.random.Generator, day: datetime, n: int) -> list[Event]:
    """Events of one day, some at its first and last microsecond, some without a value."""
    edges = [day, day + DAY - TICK]
    return [
        (
            str(rng.choice(UNITS)),
            str(rng.choice(["purchase", "purchase", "visit", "other"])),
            edges[rng.integers(2)] if rng.random() < 0.3 else day + float(rng.random()) * DAY,
            None if rng.random() < 0.2 else float(rng.integers(-500, 2_000)) / 100,
        )
        for _ in range(n)
    ]


def trust(_: Contracted) -> None:
    """Nobody looks at broken rows here."""


def night(spark, source, store, as_of, wanted=ALL, **options):
    """Fold, bring the totals to ``as_of``; the step taken and unit -> {name: value}."""
    report = fold_events(
        spark, source.raw, store, judge=trust, valued_types=valued_types(wanted), **options
    )
    demand = demand_of(wanted)
    totals, step = bring_totals(
        spark, store, report.ledger.parts, demand=demand, until=day_number(as_of.date())
    )
    units = spark.createDataFrame([(u, as_of) for u in UNITS], "unit_id string, as_of timestamp")
    frame = add_summaries_from_totals(units, totals, wanted, demand=demand)
    return step, {row["unit_id"]: row.asDict() for row in frame.drop("as_of").collect()}


def by_hand(events: Sequence[Event], as_of: datetime, wanted: Sequence[EventSummary] = ALL):
    """The same from all events, in exact arithmetic on cents."""
    return {
        unit: {"unit_id": unit, **{s.name: _one(events, unit, s, as_of) for s in wanted}}
        for unit in UNITS
    }


def _one(events, unit, summary, as_of):
    days = -summary.from_day
    own = [(at, value) for u, kind, at, value in events if (u, kind) == (unit, summary.event_type)]
    inside = [(at, value) for at, value in own if as_of - days * DAY <= at < as_of]
    cents = [round(value * 100) for _, value in inside if value is not None]
    match summary.aggregate:
        case "count":
            return float(len(inside))
        case "sum":
            return float(Fraction(sum(cents), 100))
        case "mean":
            return float(Fraction(sum(cents), 100 * len(cents))) if cents else None
        case "max":
            return max(cents) / 100 if cents else None
        case "min":
            return min(cents) / 100 if cents else None
        case "recency":
            return min((as_of - at) / DAY for at, _ in inside) if inside else None
        case "distinct":
            return float(len(set(cents)))
        case "trend":
            before = [at for at, _ in own if as_of - 2 * days * DAY <= at < as_of - days * DAY]
            return float(Fraction(len(inside) - len(before), days))


def tree(store: DailyStore) -> dict[str, bytes]:
    """Every file of the daily table with its bytes."""
    return {
        str(path.relative_to(store.root)): path.read_bytes()
        for path in sorted(store.root.rglob("*"))
        if path.is_file()
    }
