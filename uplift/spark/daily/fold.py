"""Fold events into daily rows: each file once, each day into immutable parts."""

import math
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from uplift import columns
from uplift.config import RawInputs
from uplift.errors import ContractError
from uplift.spark.daily.ledger import (
    FoldedFile,
    FoldPlan,
    Ledger,
    SourceFile,
    after_fold,
    digest,
    plan_fold,
    read_ledger,
    write_ledger,
)
from uplift.spark.daily.source import FILE, list_files, read_files, source_digest
from uplift.spark.daily.store import DailyStore, settle, sweep_parts
from uplift.spark.event_definitions import DAY_US, millionths
from uplift.spark.row_rules import Contracted

DAY, N, N_VALUED, TOTAL = "day", "n", "n_valued", "total"
HIGHEST, LOWEST, LAST_US, SEEN = "highest", "lowest", "last_us", "seen"
DAILY_SCHEMA = (
    f"{DAY} int, {columns.UNIT_ID} string, {columns.EVENT_TYPE} string, {N} bigint, "
    f"{N_VALUED} bigint, {TOTAL} bigint, {HIGHEST} bigint, {LOWEST} bigint, "
    f"{LAST_US} bigint, {SEEN} array<bigint>"
)

_ROWS_PER_TASK = 500_000
_BUCKET, _FOLDER = "bucket", "folder"


@dataclass(frozen=True)
class FoldReport:
    """What a fold did.

    Attributes:
        ledger: The ledger it left.
        files: Number of files read.
        rows: Number of events read.
        days: Days that got a part.
        broken_days: Days folded anew, because a file that held them changed or went.
        reason: Why everything was folded anew; empty where it was not.
    """

    ledger: Ledger
    files: int = 0
    rows: int = 0
    days: tuple[int, ...] = ()
    broken_days: tuple[int, ...] = ()
    reason: str = ""


def fold_events(
    spark: SparkSession,
    raw: RawInputs,
    store: DailyStore,
    *,
    judge: Callable[[Contracted], object],
    valued_types: Iterable[str] = (),
    drop_repeated: bool = False,
) -> FoldReport:
    """Bring the daily table up to what the source holds now.

    Two passes over the files that are new or changed (what do they hold, then the fold), one over
    the files that share a day with a changed or deleted one, none over the others.

    Args:
        spark: The session.
        raw: Where the events are.
        store: The daily table.
        judge: Sees the new and changed files before they are folded: what it does with their
            broken rows, and whether it refuses them, is its own business.
        valued_types: Event types whose different values are needed.
        drop_repeated: Count events of one unit, type, time and value once. A repeat may stand in
            another file, so a late event then costs its whole day.

    Raises:
        ContractError: The source is missing, ``judge`` refuses it, or it changed while being read.
    """
    known = read_ledger(store.ledger)
    listed = list_files(spark, raw)
    plan = plan_fold(
        known,
        listed,
        source=digest(source_digest(raw), drop_repeated),
        valued_types=valued_types,
        lost_days=store.lost_days(known.parts) if known else (),
    )
    if plan.is_idle:
        sweep_parts(store, plan.base.parts)
        return FoldReport(plan.base)
    fresh = _what_they_hold(spark, raw, plan.fresh, judge, listed=len(listed))
    if drop_repeated:
        plan = plan.with_whole_days(day for folded in fresh for day in folded.days)
    written = _write_parts(
        spark, raw, store, plan, fresh, drop_repeated=drop_repeated, listed=len(listed)
    )
    ledger = after_fold(plan, fresh, written)
    write_ledger(store.ledger, ledger)
    sweep_parts(store, ledger.parts)
    return FoldReport(
        ledger,
        files=len(fresh),
        rows=sum(rows for folded in fresh for rows in folded.days.values()),
        days=tuple(sorted(written)),
        broken_days=tuple(sorted(plan.broken_days)),
        reason=plan.reason,
    )


def daily_rows(
    events: DataFrame,
    *,
    valued_types: Sequence[str],
    drop_repeated: bool = False,
    rows: int,
    days: int,
) -> DataFrame:
    """One row per unit, event type and UTC day, sorted by day.

    Values count in whole millionths, so a row does not depend on the order of the events. One
    exchange, by day; where days are larger than half a million events they are cut by unit, so
    that a night of one day has work for a cluster.

    Args:
        events: Events of any time.
        valued_types: Types whose different values are kept.
        drop_repeated: Count events of one unit, type, time and value once.
        rows: About how many events there are: it sets the number of tasks, and so of files.
        days: About how many days they are of.
    """
    at_us = F.unix_micros(columns.EVENT_AT)
    keys = [DAY, _BUCKET, columns.UNIT_ID, columns.EVENT_TYPE]
    value = F.col(TOTAL)
    placed = events.select(
        day_of(at_us).alias(DAY),
        _bucket(max(1, math.ceil(rows / days / _ROWS_PER_TASK))).alias(_BUCKET),
        columns.UNIT_ID,
        columns.EVENT_TYPE,
        millionths(F.col(columns.VALUE)).alias(TOTAL),
        at_us.alias(LAST_US),
    ).repartition(max(1, math.ceil(rows / _ROWS_PER_TASK)), DAY, _BUCKET)
    if drop_repeated:
        placed = placed.distinct()
    return (
        placed.groupBy(*keys)
        .agg(
            F.count(F.lit(1)).alias(N),
            F.count(value).alias(N_VALUED),
            F.coalesce(F.sum(value), F.lit(0)).alias(TOTAL),
            F.max(value).alias(HIGHEST),
            F.min(value).alias(LOWEST),
            F.max(LAST_US).alias(LAST_US),
            _different_values(valued_types).alias(SEEN),
        )
        .drop(_BUCKET)
        .sortWithinPartitions(DAY, columns.UNIT_ID, columns.EVENT_TYPE)
    )


def day_of(at_us: Column) -> Column:
    """The UTC day of a time in microseconds; whole numbers only, so midnight is exact."""
    return ((at_us - F.pmod(at_us, F.lit(DAY_US))) / DAY_US).cast("int")


def read_parts(
    spark: SparkSession, store: DailyStore, parts: Mapping[int, Iterable[str]]
) -> DataFrame:
    """The daily rows of these parts.

    A day with more than one part may have several rows of a unit and event type: they add up.
    """
    paths = store.paths(parts)
    if not paths:
        return spark.createDataFrame([], DAILY_SCHEMA)
    return spark.read.schema(DAILY_SCHEMA).parquet(*paths)


def _bucket(buckets: int) -> Column:
    return F.pmod(F.xxhash64(columns.UNIT_ID), F.lit(buckets))


def _different_values(valued_types: Sequence[str]) -> Column:
    if not valued_types:
        return F.lit(None).cast("array<bigint>")
    is_kept = F.col(columns.EVENT_TYPE).isin(list(valued_types))
    return F.array_sort(F.collect_set(F.when(is_kept, F.col(TOTAL))))


def _what_they_hold(
    spark: SparkSession,
    raw: RawInputs,
    files: Sequence[SourceFile],
    judge: Callable[[Contracted], object],
    *,
    listed: int,
) -> list[FoldedFile]:
    """Rows per day and per event type of each file."""
    if not files:
        return []
    contracted = read_files(spark, raw, files, listed=listed)
    judge(contracted)
    events = contracted.rows
    day = day_of(F.unix_micros(columns.EVENT_AT)).alias(DAY)
    found = events.groupBy(FILE, day, columns.EVENT_TYPE).count().collect()
    days: dict[str, Counter[int]] = defaultdict(Counter)
    types: dict[str, Counter[str]] = defaultdict(Counter)
    for row in found:
        days[row[FILE]][row[DAY]] += row["count"]
        types[row[FILE]][row[columns.EVENT_TYPE]] += row["count"]
    return [FoldedFile(file, days[file.path], types[file.path]) for file in files]


def _write_parts(
    spark: SparkSession,
    raw: RawInputs,
    store: DailyStore,
    plan: FoldPlan,
    fresh: Sequence[FoldedFile],
    *,
    drop_repeated: bool,
    listed: int,
) -> dict[int, str]:
    """Fold the fresh files, and anew the broken days; the name of the new part of each day."""
    shared = [f for f in plan.base.files.values() if not plan.broken_days.isdisjoint(f.days)]
    rows = sum(rows for folded in fresh for rows in folded.days.values())
    rows += sum(folded.days.get(day, 0) for folded in shared for day in plan.broken_days)
    if not rows:
        return {}
    files = sorted(folded.file for folded in [*fresh, *shared])
    is_wanted = F.col(FILE).isin([folded.file.path for folded in fresh]) | day_of(
        F.unix_micros(columns.EVENT_AT)
    ).isin(list(plan.broken_days))
    events = read_files(spark, raw, files, listed=listed).rows.where(is_wanted)
    days = len({day for folded in fresh for day in folded.days} | plan.broken_days)
    folded = daily_rows(
        events,
        valued_types=plan.base.valued_types,
        drop_repeated=drop_repeated,
        rows=rows,
        days=days,
    )
    found = Observation()
    shutil.rmtree(store.staging, ignore_errors=True)
    (
        folded.observe(found, F.sum(N).alias("rows"))
        .withColumn(_FOLDER, F.col(DAY))
        .write.partitionBy(_FOLDER)
        .parquet(str(store.staging.absolute()))
    )
    n_folded = found.get["rows"]
    if n_folded > rows or (n_folded < rows and not drop_repeated):
        raise ContractError(
            f"{raw.events} changed while it was read: {rows} events were counted and {n_folded} "
            "folded. Run jobs/fold_events.py again once the files are at rest."
        )
    name = _part_name(plan, files)
    return dict.fromkeys(_settle_days(store, name), name)


def _part_name(plan: FoldPlan, files: Sequence[SourceFile]) -> str:
    """A name that no other content can have."""
    base = plan.base
    return digest(base.source, base.valued_types, files, plan.fresh, sorted(plan.broken_days))


def _settle_days(store: DailyStore, name: str) -> list[int]:
    days = []
    for filled in sorted(store.staging.glob(f"{_FOLDER}=*")):
        days.append(int(filled.name.removeprefix(f"{_FOLDER}=")))
        settle(filled, store.part(days[-1], name))
    return days
