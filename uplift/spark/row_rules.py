"""Judge a table row by row: rows that keep the contract, and for every other one the reason.

A row has one reason, the first rule that it breaks, in this order:

1. the line cannot be parsed (CSV, JSON);
2. a key is null or blank, in the order of the fields;
3. a text is no time, number or boolean, in the order of the fields;
4. a number is infinite or NaN, in the order of the fields;
5. what the table's reader adds, in its order (too large, negative, no chance, unknown arm, ...);
6. a key that must be unique is not. Broken rows do not count here. Of rows that are equal in all
   that we read one is kept; rows that contradict each other are all set aside, because nobody
   can tell which one is right, and a guess could write to a customer who said no.

Nothing here depends on how Spark cuts and packs the rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, TimestampType

from uplift.spark.contracts import column
from uplift.spark.fields import Field, parsed, text_of, type_of
from uplift.spark.sources import MALFORMED

TABLE, SOURCE, RULE, REASON, ROW = "table", "source", "rule", "reason", "row"

_BREACH = "__breach"
_LONGEST_SHOWN = 80
_IN_WORDS = {"double": "a number", "boolean": "true or false", "timestamp": "a time"}
_WHOLE = {  # to_json's own formats cut microseconds off
    "ignoreNullFields": "false",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}


class Rule(NamedTuple):
    """What a row must not be: in words, as a condition (null: no), its culprit, and the way out."""

    breach: str
    is_broken: Column
    shown: Column
    way_out: str


@dataclass(frozen=True)
class Contracted:
    """A table after its contract. Nothing has been computed yet.

    Attributes:
        table: Its name in the quarantine.
        source: How the reader knows it: its path.
        rows: The rows that keep the contract, with our names and types.
        judged: Every row, as ``table, source, rule, reason, row``. ``rule`` is null where the row
            is kept; ``reason`` is the rule with the value that breaks it; ``row`` is JSON of the
            original columns, or ``{"_corrupt_record": line}`` where they could not be told.
        ways_out: What to do about each rule.
    """

    table: str
    source: str
    rows: DataFrame
    judged: DataFrame
    ways_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def broken(self) -> DataFrame:
        """The rows that break it."""
        return self.judged.where(F.col(RULE).isNotNull())


def contracted(
    frame: DataFrame,
    given: Sequence[str],
    values: Mapping[str, Column],
    rules: Sequence[Rule],
    *,
    table: str,
    source: str,
    unique: str | None = None,
) -> Contracted:
    """Part the rows that break no rule from those that do.

    Both parts are lazy: each action on one of them takes one pass over the table; ``unique`` adds
    a shuffle by that key, which a later join on it shares.

    Args:
        frame: The table as opened.
        given: Its original columns, for ``row``.
        values: Our columns by name, as columns of ``frame``.
        rules: In the order in which a row is judged.
        table: Its name in the quarantine.
        source: Its path.
        unique: Which of ``values`` may stand in one row only.
    """
    first = F.coalesce(
        *[F.when(rule.is_broken, _breach(rule.breach, rule.shown)) for rule in rules]
    )
    judged = frame.withColumn(_BREACH, first)
    kept, every = judged, judged.withColumn(ROW, _original(frame, given))
    ways_out = {rule.breach: rule.way_out for rule in rules}
    if unique is not None:
        kept = _without_repeats(judged, values, unique, ())
        every = _without_repeats(every, values, unique, (F.col(ROW),))
        ways_out |= dict.fromkeys(_repeats(unique), f"Keep one row per {unique}.")
    is_broken = F.col(_BREACH).isNotNull()
    return Contracted(
        table,
        source,
        rows=kept.where(~is_broken).select(*[value.alias(name) for name, value in values.items()]),
        judged=every.select(
            F.lit(table).alias(TABLE),
            F.lit(source).alias(SOURCE),
            F.col(_BREACH).getField(RULE).alias(RULE),
            F.col(_BREACH).getField(REASON).alias(REASON),
            F.when(is_broken, F.col(ROW)).alias(ROW),
        ),
        ways_out=ways_out,
    )


def field_rules(frame: DataFrame, fields: Sequence[Field], *, time_zone: str) -> list[Rule]:
    """Rules 1 to 4, which follow from the fields' types."""
    keys = [field for field in fields if field.is_key and field.given is not None]
    numbers = [field for field in fields if field.type == "double" and field.given is not None]
    texts = [field for field in fields if _is_translated(frame, field)]
    return [
        *([_malformed()] if MALFORMED in frame.columns else []),
        *[_no_key(frame, field) for field in keys],
        *[_no_such_type(frame, field, time_zone) for field in texts],
        *[_not_finite(frame, field, time_zone) for field in numbers],
    ]


def _breach(rule: str, shown: Column) -> Column:
    text = F.coalesce(shown.cast("string"), F.lit("null"))
    reason = F.concat(F.lit(f"{rule}: "), F.substring(text, 1, _LONGEST_SHOWN))
    return F.struct(F.lit(rule).alias(RULE), reason.alias(REASON))


def _original(frame: DataFrame, given: Sequence[str]) -> Column:
    row = F.to_json(F.struct(*[column(name) for name in given if name != MALFORMED]), _WHOLE)
    if MALFORMED not in frame.columns:
        return row
    return F.when(F.col(MALFORMED).isNull(), row).otherwise(F.to_json(F.struct(MALFORMED)))


def _without_repeats(
    judged: DataFrame, values: Mapping[str, Column], key: str, tie_break: Sequence[Column]
) -> DataFrame:
    """Rule 6; the tie break only decides which of equal rows is the one that stays."""
    is_broken = F.col(_BREACH).isNotNull()
    sound = F.when(~is_broken, F.struct(*[v.alias(name) for name, v in values.items()]))
    same = Window.partitionBy(values[key])
    place = F.row_number().over(same.orderBy(is_broken, *tie_break))
    contradicts = ~F.min(sound).over(same).eqNullSafe(F.max(sound).over(same))
    apart, alike = (_breach(rule, values[key]) for rule in _repeats(key))
    repeat = F.when(contradicts, apart).when(place > 1, alike)
    return judged.withColumn(_BREACH, F.coalesce(F.col(_BREACH), repeat))


def _repeats(key: str) -> tuple[str, str]:
    return f"`{key}` is not unique and its rows contradict each other", f"`{key}` is not unique"


def _malformed() -> Rule:
    return Rule(
        "the line cannot be parsed",
        F.col(MALFORMED).isNotNull(),
        F.col(MALFORMED),
        "Check quotes, and in CSV the number of fields.",
    )


def _is_translated(frame: DataFrame, field: Field) -> bool:
    """Whether a value can be there and yet have no counterpart in the field's type."""
    found = type_of(frame, field)
    if field.type == "timestamp":
        return found is not None and not isinstance(found, TimestampType)
    return isinstance(found, StringType) and field.type != "string"


def _no_key(frame: DataFrame, field: Field) -> Rule:
    value = column(field.given or "")
    is_text = isinstance(type_of(frame, field), StringType)
    return Rule(
        f"`{field.given}` is null or blank",
        text_of(field).isNull() if is_text else value.isNull(),
        value,
        "Give these rows a key or leave them out of the table.",
    )


def _no_such_type(frame: DataFrame, field: Field, time_zone: str) -> Rule:
    text = text_of(field)
    return Rule(
        f"`{field.given}` is not {_IN_WORDS[field.type]}",
        text.isNotNull() & parsed(frame, field, time_zone=time_zone).isNull(),
        text,
        "Correct these rows, or the column's name or kind in the config.",
    )


def _not_finite(frame: DataFrame, field: Field, time_zone: str) -> Rule:
    value = parsed(frame, field, time_zone=time_zone)
    is_infinite = F.abs(value) == float("inf")
    return Rule(
        f"`{field.given}` is not a finite number",
        is_infinite if field.is_feature else is_infinite | F.isnan(value),
        value,
        "Write a missing number as null.",
    )
