"""Columns as the company wrote them, and the same with our names and types."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DateType,
    NumericType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from uplift.errors import ContractError
from uplift.spark.contracts import column, require_columns

_ACCEPTED: Mapping[str, tuple[type[DataType], ...]] = {
    "string": (StringType, NumericType, BooleanType, DateType, TimestampType, TimestampNTZType),
    "double": (StringType, NumericType, BooleanType),
    "boolean": (StringType, BooleanType),
    "timestamp": (StringType, TimestampType, TimestampNTZType, DateType),
}
_WAY_OUT: Mapping[str, str] = {
    "timestamp": "Write times as text such as 2026-03-29T02:30:00+01:00, or as timestamps: a bare "
    "number does not say whether it counts seconds or milliseconds.",
}
_ANY_WAY_OUT = "Change the table, or its kind in `features`."

# Spark's own cast would also take `now`, `12:30` (today) and `176732` (a year) for times ...
_DAY = r"^\d{4}-\d{1,2}-\d{1,2}"
_MINUTE = _DAY + r"[T ]\d{1,2}:\d{1,2}"
_SECOND = _MINUTE + r":\d{1,2}(\.\d+)?"
_WITH_ZONE = _MINUTE + r"(:\d{1,2}(\.\d+)?)?\s*[A-Za-z+-]"
# ... and `1d`, `0x1p3` for numbers.
_JAVA_NUMBER = r"[xXpP]|[dDfF]$"


class Field(NamedTuple):
    """One column: its name in the table (None: always null), ours, its type.

    A key is never null or blank. In a feature NaN is a missing value, as pandas writes it;
    elsewhere it is a broken number.
    """

    given: str | None
    ours: str
    type: str
    is_key: bool = False
    is_feature: bool = False


def require_fields(frame: DataFrame, fields: Sequence[Field], *, source: str) -> None:
    """Refuse a table without these columns, or with one of a type that ours cannot come from."""
    require_columns(frame, [f.given for f in fields if f.given is not None], source=source)
    for field in fields:
        found = type_of(frame, field)
        if found is not None and not isinstance(found, _ACCEPTED[field.type]):
            raise ContractError(
                f"`{field.given}` of {source} has type {found.simpleString()} in every row; it "
                f"cannot be read as {field.type}. {_WAY_OUT.get(field.type, _ANY_WAY_OUT)}"
            )


def type_of(frame: DataFrame, field: Field) -> DataType | None:
    """The type that the table gives to a field."""
    return None if field.given is None else frame.schema[field.given].dataType


def text_of(field: Field) -> Column:
    """What the table holds, as text; null where blank."""
    text = F.trim(column(field.given or "").cast("string"))
    return F.when(text != "", text)


def parsed(frame: DataFrame, field: Field, *, time_zone: str) -> Column:
    """The field in its type; null where it is blank or cannot have the type.

    A time without a zone is one of ``time_zone``: one that the clocks skipped in spring counts
    from before the change, one that they showed twice in autumn is the first. A day is its
    midnight there.
    """
    found = type_of(frame, field)
    if field.given is None or found is None:
        return F.lit(None).cast(field.type)
    if field.type == "timestamp" and not isinstance(found, TimestampType):
        return _instant(text_of(field), time_zone)
    if isinstance(found, StringType) and field.type == "double":
        text = text_of(field)
        return F.when(~text.rlike(_JAVA_NUMBER), text.try_cast("double"))
    if isinstance(found, StringType) and field.type != "string":
        return text_of(field).try_cast(field.type)
    return column(field.given).try_cast(field.type)


def typed_columns(
    frame: DataFrame, fields: Sequence[Field], *, time_zone: str
) -> dict[str, Column]:
    """Every field by our name, in its type; columns of ``frame``."""
    return {field.ours: _value(frame, field, time_zone) for field in fields}


def _value(frame: DataFrame, field: Field, time_zone: str) -> Column:
    value = parsed(frame, field, time_zone=time_zone)
    is_number = field.is_feature and field.type == "double"
    return F.when(~F.isnan(value), value) if is_number else value


def _instant(text: Column, time_zone: str) -> Column:
    zone = F.lit(f" {time_zone}")
    whole = (
        F.when(text.rlike(_SECOND + "$"), F.concat(text, zone))
        .when(text.rlike(_WITH_ZONE), text)
        .when(text.rlike(_MINUTE + "$"), F.concat(text, F.lit(":00"), zone))
        .when(text.rlike(_DAY + "$"), F.concat(text, F.lit(" 00:00:00"), zone))
    )
    return whole.try_cast("timestamp")
