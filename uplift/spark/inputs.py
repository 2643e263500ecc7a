"""Read what the company logged, rename it to our columns, and give every column its type.

From here on names are those of ``uplift.columns`` and the features; arms are still names.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
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

from uplift import columns
from uplift.config import FlatLog, RawInputs, StaticFeature
from uplift.errors import ConfigError, ContractError
from uplift.spark.contracts import column, require_columns

_TYPE_OF_KIND = {"numeric": "double", "categorical": "string"}
_ACCEPTED: dict[str, tuple[type[DataType], ...]] = {
    "string": (StringType, NumericType, BooleanType, DateType, TimestampType, TimestampNTZType),
    "double": (StringType, NumericType, BooleanType),
    "boolean": (StringType, BooleanType),
    "timestamp": (StringType, TimestampType, TimestampNTZType, DateType),
}
_IN_WORDS = {"double": "a number", "boolean": "true or false", "timestamp": "a time"}
_FILE, _BLOCK, _PLACE = "__file", "__block", "__place"


class _Field(NamedTuple):
    """One column: its name in the table (None: always null), ours, its type."""

    given: str | None
    ours: str
    type: str


def read_assignments(spark: SparkSession, raw: RawInputs) -> DataFrame:
    """Who was assigned what: arm names, UTC times, ``propensity`` null where not logged.

    A null or absent ``cluster_id`` means that the unit itself was drawn; an absent ``logged_at`` is
    null.
    """
    frame = _load(spark, raw.assignments, raw.format, key="inputs.raw.assignments")
    fields = [
        _Field(columns.EXPERIMENT_ID, columns.EXPERIMENT_ID, "string"),
        _Field(columns.UNIT_ID, columns.UNIT_ID, "string"),
        _Field(columns.ARM, columns.ARM, "string"),
        _Field(columns.ASSIGNED_AT, columns.ASSIGNED_AT, "timestamp"),
        _Field(_if_present(frame, columns.PROPENSITY), columns.PROPENSITY, "double"),
        _Field(_if_present(frame, columns.CLUSTER_ID), columns.CLUSTER_ID, "string"),
        _Field(_if_present(frame, columns.LOGGED_AT), columns.LOGGED_AT, "timestamp"),
    ]
    drawn = F.coalesce(F.col(columns.CLUSTER_ID), F.col(columns.UNIT_ID))
    return _typed(frame, fields, source=raw.assignments).withColumn(columns.CLUSTER_ID, drawn)


def read_events(spark: SparkSession, raw: RawInputs) -> DataFrame:
    """What happened: unit, type, UTC time; value and ``logged_at`` null where there is none."""
    frame = _load(spark, raw.events, raw.format, key="inputs.raw.events")
    fields = [
        _Field(columns.UNIT_ID, columns.UNIT_ID, "string"),
        _Field(columns.EVENT_TYPE, columns.EVENT_TYPE, "string"),
        _Field(columns.EVENT_AT, columns.EVENT_AT, "timestamp"),
        _Field(_if_present(frame, columns.VALUE), columns.VALUE, "double"),
        _Field(_if_present(frame, columns.LOGGED_AT), columns.LOGGED_AT, "timestamp"),
    ]
    return _typed(frame, fields, source=raw.events)


def read_customers(
    spark: SparkSession, raw: RawInputs, static: Sequence[StaticFeature]
) -> DataFrame:
    """Who they are: unit, the declared attributes, ``contactable``.

    Without a ``contactable`` column everybody is; with one, a null is a no.
    """
    frame = _load(spark, raw.customers, raw.format, key="inputs.raw.customers")
    present = _if_present(frame, columns.CONTACTABLE)
    fields = [
        _Field(columns.UNIT_ID, columns.UNIT_ID, "string"),
        _Field(present, columns.CONTACTABLE, "boolean"),
        *_feature_fields(static),
    ]
    unknown = F.lit(present is None)
    contactable = F.coalesce(F.col(columns.CONTACTABLE), unknown)
    return _typed(frame, fields, source=raw.customers).withColumn(columns.CONTACTABLE, contactable)


def read_flat_log(
    spark: SparkSession, flat_log: FlatLog, static: Sequence[StaticFeature]
) -> DataFrame:
    """One row per unit: unit, cluster (the unit), arm name, propensity, outcomes, features.

    Without a unit column the row number, from 1, is the unit: identical rows are different
    customers. ``propensity`` and ``revenue`` are null where the log has no such column.
    """
    if flat_log.path is None:
        raise ConfigError(
            "`inputs.flat_log.path` is null, so there is no log to read. Give --log PATH, "
            "or set the environment variable UPLIFT_LOG."
        )
    frame = _load(spark, flat_log.path, flat_log.format, key="inputs.flat_log.path")
    outcomes_and_arm = [
        _Field(flat_log.arm, columns.ARM, "string"),
        _Field(flat_log.propensity, columns.PROPENSITY, "double"),
        _Field(flat_log.conversion, columns.CONVERSION, "double"),
        _Field(flat_log.revenue, columns.REVENUE, "double"),
    ]
    taken = {field.given: field.ours for field in outcomes_and_arm if field.given is not None}
    leaks = [f"`{f.name}` is the {taken[f.name]}" for f in static if f.name in taken]
    if leaks:
        raise ConfigError(
            f"{len(leaks)} of {len(static)} features are not known before the experiment: "
            f"{', '.join(leaks)}. Take them out of `features.static`."
        )
    fields = [*outcomes_and_arm, *_feature_fields(static)]
    if flat_log.unit_id is None:
        given = [field.given for field in fields if field.given is not None]
        require_columns(frame, given, source=flat_log.path)  # before a column of ours joins them
        frame = number_rows(frame)
    fields.insert(0, _Field(flat_log.unit_id or columns.UNIT_ID, columns.UNIT_ID, "string"))
    typed = _typed(frame, fields, source=flat_log.path)
    return typed.withColumn(columns.CLUSTER_ID, F.col(columns.UNIT_ID))


def number_rows(frame: DataFrame) -> DataFrame:
    """Add ``unit_id``, the row's number from 1 as text, to a frame just read from files.

    Files count in the order of their names. However Spark cuts and packs the files, a row keeps
    its number, so hashed draws from it stay as they are.
    """
    placed = frame.select(
        "*",
        F.col("_metadata.file_path").alias(_FILE),
        F.col("_metadata.file_block_start").alias(_BLOCK),
        F.monotonically_increasing_id().alias(_PLACE),
    )
    blocks = (
        placed.groupBy(_FILE, _BLOCK)
        .agg(F.count(F.lit(1)).alias("rows"), F.min(_PLACE).alias("first"))
        .orderBy(_FILE, _BLOCK)
        .collect()
    )
    rows_before = accumulate((block["rows"] for block in blocks), initial=0)
    shifts = [
        (block[_FILE], block[_BLOCK], before + 1 - block["first"])
        for block, before in zip(blocks, rows_before, strict=False)
    ]
    shift = frame.sparkSession.createDataFrame(shifts, f"{_FILE} string, {_BLOCK} long, shift long")
    number = (F.col(_PLACE) + F.col("shift")).cast("string")
    return (
        placed.join(F.broadcast(shift), on=[_FILE, _BLOCK])
        .withColumn(columns.UNIT_ID, number)
        .drop(_FILE, _BLOCK, _PLACE, "shift")
    )


def _load(spark: SparkSession, location: str, file_format: str, *, key: str) -> DataFrame:
    reader = spark.read
    if file_format == "csv":  # text throughout; _typed gives the types, and counts what has none
        reader = reader.option("header", True).option("escape", '"')
    if file_format == "json":
        reader = reader.option("primitivesAsString", True)
    try:
        return reader.format(file_format).load(location)
    except (PySparkException, Py4JJavaError) as error:
        if isinstance(error, PySparkException) and error.getCondition() == "PATH_NOT_FOUND":
            raise ContractError(f"{location} does not exist. Check `{key}`.") from error
        raise ContractError(
            f"{location} cannot be read as {file_format}. Check `{key}` and its `format`."
        ) from error


def _if_present(frame: DataFrame, name: str) -> str | None:
    return name if name in frame.columns else None


def _feature_fields(static: Sequence[StaticFeature]) -> list[_Field]:
    return [_Field(f.name, f.name, _TYPE_OF_KIND[f.kind]) for f in static]


def _typed(frame: DataFrame, fields: Sequence[_Field], *, source: str) -> DataFrame:
    """Our columns with their types; a value that cannot have its type is refused, with a count."""
    require_columns(frame, [f.given for f in fields if f.given is not None], source=source)
    for field in fields:
        _check_type(frame, field, source)
    _check_text(frame, [f for f in fields if _is_parsed(frame, f)], source)
    return frame.select(*[_cast(field).alias(field.ours) for field in fields])


def _check_type(frame: DataFrame, field: _Field, source: str) -> None:
    if field.given is None:
        return
    found = frame.schema[field.given].dataType
    if not isinstance(found, _ACCEPTED[field.type]):
        raise ContractError(
            f"`{field.given}` of {source} has type {found.simpleString()} in every row; it cannot "
            f"be read as {field.type}. Change the table, or its kind in `features`."
        )


def _is_parsed(frame: DataFrame, field: _Field) -> bool:
    is_text = field.given is not None and isinstance(frame.schema[field.given].dataType, StringType)
    return is_text and field.type != "string"


def _check_text(frame: DataFrame, fields: Sequence[_Field], source: str) -> None:
    """One pass over all columns that arrive as text and are meant to be something else."""
    if not fields:
        return
    counts = [F.count(F.lit(1)).alias("rows")]
    for number, field in enumerate(fields):
        text = _text(field)
        is_bad = text.isNotNull() & text.try_cast(field.type).isNull()
        counts.append(F.count_if(is_bad).alias(f"bad {number}"))
        counts.append(F.max(F.when(is_bad, text)).alias(f"shown {number}"))
    found = frame.agg(*counts).first()
    for number, field in enumerate(fields):
        if found is not None and found[f"bad {number}"]:
            raise ContractError(
                f"`{field.given}` of {source} is not {_IN_WORDS[field.type]} in "
                f"{found[f'bad {number}']} of {found['rows']} rows, such as "
                f"{found[f'shown {number}']!r}. Correct these rows, or the column's name or kind "
                "in the config."
            )


def _text(field: _Field) -> Column:
    """The text, null where blank."""
    text = F.trim(column(field.given or ""))
    return F.when(text != "", text)


def _cast(field: _Field) -> Column:
    if field.given is None:
        return F.lit(None).cast(field.type)
    value = column(field.given).try_cast(field.type)
    return F.when(~F.isnan(value), value) if field.type == "double" else value
