"""What a table must hold before anything is learned from it, each refusal in one clear sentence.

``source`` in every function is the words by which the reader knows the table: its path.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.arms import Arms
from uplift.errors import ContractError

_MOST_NAMED = 5


def column(name: str) -> Column:
    """The column of exactly this name, whatever dots or spaces are in it."""
    return F.col(f"`{name.replace('`', '``')}`")


def require_columns(frame: DataFrame, names: Iterable[str], *, source: str) -> None:
    """Refuse a table that lacks a column; all that lack are named, each with the nearest one."""
    wanted = list(dict.fromkeys(names))
    missing = [name for name in wanted if name not in frame.columns]
    if not missing:
        return
    if not frame.columns:
        raise ContractError(
            f"{source} is empty: it has no column at all, {len(wanted)} are needed "
            f"({_some(wanted)}). Check how the file was written."
        )
    named = ", ".join(f"`{name}`{_nearest(name, frame.columns)}" for name in missing)
    raise ContractError(
        f"{source} lacks {len(missing)} of {len(wanted)} columns: {named}. It has "
        f"{_some(frame.columns)}. Change the names in `inputs` and `features`, or the table."
    )


def require_rows(frame: DataFrame, *, source: str) -> None:
    """Refuse an empty table; looks for one row and stops there."""
    if not frame.select(F.lit(1)).head(1):
        raise _empty(source)


def require_known_arms(
    frame: DataFrame, arms: Arms, ignore_arms: Sequence[str] = (), *, source: str
) -> DataFrame:
    """Turn the arm's name into its number, without the rows of ignored arms.

    One pass counts the names. An empty log, a row without an arm, an arm that the campaign does
    not know, and an arm of the campaign that nobody drew are all refused.
    """
    counts = {row[0]: row[1] for row in frame.groupBy(columns.ARM).count().collect()}
    _check_arms(counts, arms, ignore_arms, source)
    return number_arms(frame, arms)


def number_arms(frame: DataFrame, arms: Arms) -> DataFrame:
    """The rows of these arms, by number; for a table whose arms are checked already."""
    numbers = F.create_map(*[F.lit(part) for pair in arms.numbers().items() for part in pair])
    kept = frame.where(F.col(columns.ARM).isin(list(arms.names)))
    return kept.withColumn(columns.ARM, numbers[F.col(columns.ARM)].cast("int"))


def require_values(
    frame: DataFrame,
    *,
    keys: Sequence[str] = (),
    binary: Sequence[str] = (),
    features: Sequence[str] = (),
    chances: Sequence[str] = (),
    source: str,
) -> None:
    """Check many columns in a single pass over the table, which must have rows.

    Args:
        frame: The table.
        keys: Columns without nulls.
        binary: Columns of 0 and 1 without nulls.
        features: Columns with a value somewhere.
        chances: Columns of numbers above 0 and up to 1, or null.
        source: How the reader knows the table.
    """
    rules = [
        *map(_is_key, keys),
        *map(_is_binary, binary),
        *map(_is_chance, chances),
    ]
    counts = [F.count(F.lit(1)).alias("rows")]
    for number, rule in enumerate(rules):
        is_broken = ~F.coalesce(rule.holds, F.lit(False))
        shown = F.coalesce(column(rule.name).cast("string"), F.lit("null"))
        counts.append(F.count_if(is_broken).alias(f"broken {number}"))
        counts.append(F.max(F.when(is_broken, shown)).alias(f"shown {number}"))
    counts += [F.count(column(name)).alias(f"filled {name}") for name in features]
    found = frame.agg(*counts).first()
    if found is None or found["rows"] == 0:
        raise _empty(source)
    for number, rule in enumerate(rules):
        if found[f"broken {number}"]:
            raise ContractError(
                f"`{rule.name}` of {source} {rule.breach} in {found[f'broken {number}']} of "
                f"{found['rows']} rows, such as {found[f'shown {number}']}. {rule.way_out}"
            )
    hollow = [name for name in features if not found[f"filled {name}"]]
    if hollow:
        raise ContractError(
            f"{len(hollow)} of {len(features)} features have no value in any of the "
            f"{found['rows']} rows of {source}: {_some(hollow)}. Fill them, or take them out of "
            "`features`."
        )


def _empty(source: str) -> ContractError:
    return ContractError(
        f"{source} is empty: 0 rows. Check the path in `inputs` and what writes this table."
    )


class _Rule(NamedTuple):
    """What must hold for a column in every row (null counts as no), and what to say if not."""

    name: str
    holds: Column
    breach: str
    way_out: str


def _is_key(name: str) -> _Rule:
    way_out = "Give these rows a key or leave them out of the table."
    return _Rule(name, column(name).isNotNull(), "is null", way_out)


def _is_binary(name: str) -> _Rule:
    way_out = "Map `inputs` to a column that says whether the customer converted, not how much."
    return _Rule(name, column(name).isin(0, 1), "is not 0 or 1", way_out)


def _is_chance(name: str) -> _Rule:
    value = column(name)
    holds = value.isNull() | ((value > 0.0) & (value <= 1.0))
    way_out = "Log the chance of the arm drawn, or null."
    return _Rule(name, holds, "is not above 0 and up to 1", way_out)


def _check_arms(
    counts: dict[str | None, int], arms: Arms, ignore_arms: Sequence[str], source: str
) -> None:
    rows = sum(counts.values())
    if not rows:
        raise _empty(source)
    if None in counts:
        raise ContractError(
            f"the arm is null in {counts[None]} of {rows} rows of {source}. "
            "Leave out of the table who was never assigned."
        )
    names = sorted(name for name in counts if name is not None)
    unknown = [name for name in names if name not in arms.names and name not in ignore_arms]
    if unknown:
        affected = sum(counts[name] for name in unknown)
        raise ContractError(
            f"{source} has {affected} of {rows} rows with an arm unknown to the campaign: "
            f"{_some(unknown)}; known are {_some(arms.names)}. Add it to `campaign.treatments`, "
            "or leave its rows out with `campaign.ignore_arms`."
        )
    absent = [name for name in arms.names if name not in names]
    if absent:
        raise ContractError(
            f"{source} has no row of {len(absent)} of the campaign's {len(arms.names)} arms: "
            f"{_some(absent)}; its {rows} rows are of {_some(names)}. An effect needs both sides: "
            "check `campaign.control` and `campaign.treatments`."
        )


def _nearest(name: str, present: Sequence[str]) -> str:
    lowered = {other.lower(): other for other in present}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return f" (is it `{lowered[close[0]]}`?)" if close else ""


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} more"
