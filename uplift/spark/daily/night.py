"""Bring the running totals to a midnight: leave them, move them on, or build them anew."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pyspark.sql import DataFrame, SparkSession

from uplift.spark.daily.demand import Demand
from uplift.spark.daily.fold import read_parts
from uplift.spark.daily.ledger import day_name, digest
from uplift.spark.daily.store import DailyStore, settle, sweep_totals
from uplift.spark.daily.totals import Days, advance, totals_schema
from uplift.workspace import write_document

Parts = Mapping[int, tuple[str, ...]]


@dataclass(frozen=True)
class TotalsRecord:
    """What the running totals on disk hold.

    Attributes:
        name: Their folder.
        until: The day at whose start every window ends.
        demand: Digest of what they were asked for.
        parts: The parts in them, by day, back to the start of the longest window.
    """

    name: str
    until: int
    demand: str
    parts: Parts
    layout: Literal[1] = 1


@dataclass(frozen=True)
class Step:
    """How tonight's totals follow from those on disk.

    Attributes:
        kind: ``keep``: they are tonight's; ``advance``: by what enters and leaves; ``rebuild``:
            from all parts in the longest window.
        entering: Parts to add.
        leaving: Parts of which some window has to be rid.
        reason: Why a rebuild; empty otherwise.
    """

    kind: Literal["keep", "advance", "rebuild"]
    entering: Parts
    leaving: Parts
    reason: str = ""


_RECORD = TypeAdapter(TotalsRecord)


def bring_totals(
    spark: SparkSession, store: DailyStore, parts: Parts, *, demand: Demand, until: int
) -> tuple[DataFrame, Step]:
    """The running totals as of the start of day ``until``, and how they came about.

    They are on disk when this returns, and their record was turned last: a crash leaves those of
    the night before.

    Args:
        spark: The session.
        store: The daily table.
        parts: The ledger's parts.
        demand: What the totals must hold.
        until: The day.
    """
    record = read_record(store)
    step = next_step(record, parts, demand=demand, until=until)
    if record is None or step.kind != "keep":
        record = _written(spark, store, parts, record, step, demand=demand, until=until)
    sweep_totals(store, record.name)
    return _read(spark, store, record, demand), step


def next_step(record: TotalsRecord | None, parts: Parts, *, demand: Demand, until: int) -> Step:
    """Decide how to reach day ``until``.

    Args:
        record: The totals on disk, if they can be read.
        parts: The ledger's parts.
        demand: What the totals must hold.
        until: The day.
    """
    wanted = _between(parts, until - demand.longest, until)
    reason = _why_rebuild(record, parts, demand, until)
    if record is None or reason:
        return Step("rebuild", wanted, {}, reason)
    entering = {
        day: new
        for day, names in wanted.items()
        if (new := tuple(name for name in names if name not in record.parts.get(day, ())))
    }
    leaving = {
        day: names
        for day, names in record.parts.items()
        if any(record.until - n <= day < until - n for n in demand.lengths)
    }
    if until == record.until and not entering:
        return Step("keep", {}, {})
    if _number(entering) + _number(leaving) >= _number(wanted):
        reason = "so many days come and go that building anew reads less"
        return Step("rebuild", wanted, {}, reason)
    return Step("advance", entering, leaving)


def _why_rebuild(record: TotalsRecord | None, parts: Parts, demand: Demand, until: int) -> str:
    if record is None:
        return "there are no running totals yet"
    if record.demand != digest(demand):
        return "`features` declares other windows or aggregates"
    if until < record.until:
        return f"the totals are of {day_name(record.until)}, a later day"
    replaced = [
        day for day, names in record.parts.items() if not set(names) <= set(parts.get(day, ()))
    ]
    if replaced:
        shown = ", ".join(map(day_name, sorted(replaced)[:3]))
        return f"{len(replaced)} days in a window were folded anew, such as {shown}"
    return ""


def _between(parts: Parts, first: int, end: int) -> Parts:
    return {day: names for day, names in parts.items() if first <= day < end}


def _number(parts: Parts) -> int:
    return sum(len(names) for names in parts.values())


def read_record(store: DailyStore) -> TotalsRecord | None:
    """The record of the totals on disk; None where there are none that can be read."""
    if not store.totals_record.is_file():
        return None
    try:
        record = _RECORD.validate_json(store.totals_record.read_bytes())
    except ValidationError:
        return None
    return record if store.totals(record.name).is_dir() else None


def _read(
    spark: SparkSession, store: DailyStore, record: TotalsRecord | None, demand: Demand
) -> DataFrame:
    schema = totals_schema(demand)
    if record is None:
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).parquet(str(store.totals(record.name).resolve()))


def _written(
    spark: SparkSession,
    store: DailyStore,
    parts: Parts,
    record: TotalsRecord | None,
    step: Step,
    *,
    demand: Demand,
    until: int,
) -> TotalsRecord:
    """Write the totals of ``until`` and turn the record to them."""
    before = record if step.kind == "advance" else None
    moved = advance(
        _read(spark, store, before, demand),
        read_parts(spark, store, step.entering),
        read_parts(spark, store, step.leaving),
        demand=demand,
        days=Days(since=before.until if before else until, until=until),
        n_partitions=int(spark.conf.get("spark.sql.shuffle.partitions") or 1),
    )
    held = _between(parts, until - demand.longest, until)
    asked = digest(demand)
    name = digest(asked, until, sorted(held.items()))
    _write(moved, store.staging, store.totals(name))
    after = TotalsRecord(name, until, asked, held)
    write_document(store.totals_record, _RECORD.dump_python(after, mode="json"))
    return after


def _write(frame: DataFrame, staging: Path, place: Path) -> None:
    shutil.rmtree(staging, ignore_errors=True)
    frame.write.parquet(str(staging.absolute()))
    settle(staging, place)
