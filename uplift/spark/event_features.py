"""What events tell about a unit around a moment: every window of every aggregate in one pass.

Point in time means one inequality, kept here and nowhere else: a feature sees only events before
the as-of time, an outcome only events from it on.

How it runs: Spark reads the events and throws away what no window can see; blocks of columns, not
rows, are exchanged by unit, the units among them (``uplift.spark.blocks``); each task adds the
events of its units up in arrays (``uplift.features.windows``).

Before, one ``groupBy`` over the joined rows with a conditional aggregate per feature took 23 to 30
seconds for ten million events where DuckDB took 5, and needed one row per unit. Here a further
window costs no pass over the events. Most of what is left is reading, and handing rows from the JVM
to Python.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import groupby
from operator import itemgetter

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from uplift import columns
from uplift.errors import ContractError
from uplift.features.windows import Moments, WindowPart
from uplift.spark.blocks import bucket_of, buckets_of, exchanged, in_large_pieces, packed
from uplift.spark.contracts import column
from uplift.spark.event_definitions import (
    DAY_US,
    LARGEST_VALUE,
    EventPart,
    EventSummary,
    feature_summaries,
    finished,
    millionths,
    parts_of,
)

__all__ = [
    "DAY_US",
    "LARGEST_VALUE",
    "EventSummary",
    "add_event_summaries",
    "feature_summaries",
    "require_events",
]

_UNITS, _EVENTS = 0, 1  # tags: a bucket's units arrive before its events
_EVENT_NAMES = ["unit_id", "kind", "at_us", "millionths"]
_ROWS_AT_ONCE = 100_000


def add_event_summaries(
    units: DataFrame,
    events: DataFrame,
    summaries: Sequence[EventSummary],
    *,
    as_of: str,
    drop_repeated: bool = False,
) -> DataFrame:
    """Add one double column per summary, as of each row's own time in the column ``as_of``.

    What each summary means stands in ``uplift.spark.event_definitions``. ``units`` may have several
    rows per ``unit_id``, one for each time at which somebody looked. A row without a time sees no
    event.

    Memory of a task: a few numbers for each of its units and windows, one bucket of units at a
    time; ``spark.sql.shuffle.partitions`` divides it. Events stream through, so a customer with a
    million of them costs its rows and no more. Only ``distinct`` keeps a customer's different
    values, and ``drop_repeated`` the events of a bucket.

    Args:
        units: ``unit_id``, the column ``as_of``, and whatever else should stay.
        events: ``unit_id, event_type, event_at, value``.
        summaries: What to add.
        as_of: The column of ``units`` with the time.
        drop_repeated: Count an event that was logged more than once only once.
    """
    if not summaries:
        return units
    parts = list(dict.fromkeys(part for summary in summaries for part in parts_of(summary)))
    kinds = sorted({part.event_type for part in parts})
    wanted = [_window_part(part, kinds) for part in parts]
    near = _near(events, units, as_of, kinds, wanted)
    counted = _with_parts(units, near, as_of, wanted, drop_repeated)
    as_of_us = F.unix_micros(column(as_of))
    names = dict(zip(parts, _part_names(wanted), strict=True))
    added = [
        finished(s, [F.col(names[part]) for part in parts_of(s)], as_of_us=as_of_us).alias(s.name)
        for s in summaries
    ]
    return counted.select(*map(column, units.columns), *added)


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


def _near(
    events: DataFrame,
    units: DataFrame,
    as_of: str,
    kinds: Sequence[str],
    wanted: Sequence[WindowPart],
) -> DataFrame:
    """``unit_id, kind, at_us, millionths`` of the events that some window of some unit may see."""
    kind = reduce(
        lambda otherwise, kind: F.when(
            F.col(columns.EVENT_TYPE) == kinds[kind], F.lit(kind)
        ).otherwise(otherwise),
        range(len(kinds)),
        F.lit(None),
    )
    at_us = F.unix_micros(columns.EVENT_AT)
    as_of_us = F.unix_micros(column(as_of))
    first_us = F.min(as_of_us) + min(part.from_us for part in wanted)
    end_us = F.max(as_of_us) + max(part.to_us for part in wanted)
    return events.where(
        F.col(columns.EVENT_TYPE).isin(list(kinds))
        & (F.col(columns.EVENT_AT) >= units.select(F.timestamp_micros(first_us)).scalar())
        & (F.col(columns.EVENT_AT) < units.select(F.timestamp_micros(end_us)).scalar())
    ).select(
        columns.UNIT_ID,
        kind.cast("short").alias("kind"),
        at_us.alias("at_us"),
        millionths(F.col(columns.VALUE)).alias("millionths"),
    )


def _with_parts(
    units: DataFrame,
    near: DataFrame,
    as_of: str,
    wanted: Sequence[WindowPart],
    drop_repeated: bool,
) -> DataFrame:
    """The units with one bigint column per part, after one exchange of both tables."""
    n_partitions = int(units.sparkSession.conf.get("spark.sql.shuffle.partitions") or 1)
    bucket = bucket_of(F.col(columns.UNIT_ID), n_partitions=n_partitions)
    timed = units.select("*", F.unix_micros(column(as_of)).alias("as_of_us"))
    both = exchanged(
        [packed(timed, bucket, tag=_UNITS), packed(near, bucket, tag=_EVENTS)],
        n_partitions=n_partitions,
    )
    unit_id = units.columns.index(columns.UNIT_ID)
    names = [*units.columns, *_part_names(wanted)]

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for bucket in buckets_of(batches):
            yield from _count_bucket(bucket, unit_id, wanted, names, drop_repeated)

    counts = [T.StructField(name, T.LongType()) for name in _part_names(wanted)]
    return both.mapInArrow(count, T.StructType([*units.schema, *counts]))


def _count_bucket(
    blocks: Iterator[tuple[int, pa.RecordBatch]],
    unit_id: int,
    wanted: Sequence[WindowPart],
    names: Sequence[str],
    drop_repeated: bool,
) -> Iterator[pa.RecordBatch]:
    """The units of a bucket, as they came, and their parts; nothing where it has only events."""
    by_tag = groupby(blocks, key=itemgetter(0))
    tag, first = next(by_tag)
    if tag != _UNITS:
        return
    units = pa.Table.from_batches([block for _, block in first]).combine_chunks()
    near = (block.rename_columns(_EVENT_NAMES) for _, group in by_tag for _, block in group)
    moments = Moments(unit_ids=units[unit_id], as_of_us=units[units.num_columns - 1])
    pieces = in_large_pieces(near, _ROWS_AT_ONCE)
    parts = moments.window_parts(pieces, wanted, drop_repeated=drop_repeated)
    columns_ = [*units.columns[:-1], *parts]
    yield from pa.Table.from_arrays(columns_, names=list(names)).to_batches()


def _window_part(part: EventPart, kinds: Sequence[str]) -> WindowPart:
    kind = kinds.index(part.event_type)
    return WindowPart(kind, part.part, part.from_day * DAY_US, part.to_day * DAY_US)


def _part_names(wanted: Sequence[WindowPart]) -> list[str]:
    return [f"event part {number}" for number in range(len(wanted))]
