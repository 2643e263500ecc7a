"""The files that hold the events: listed by any file system Spark knows, read a few at a time.

This is the only module of the daily table that reads raw events.
"""

import json
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from os.path import commonpath, dirname
from urllib.parse import unquote

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from uplift.config import RawInputs
from uplift.errors import ContractError
from uplift.spark.daily.ledger import SourceFile, digest
from uplift.spark.inputs import read_events
from uplift.spark.row_rules import Contracted

FILE = "file"

_FILE_FORMATS = ("parquet", "csv", "json", "orc")
_SPECIAL = re.compile(r"([\\{}\[\]*?,])")


def list_files(spark: SparkSession, raw: RawInputs) -> list[SourceFile]:
    """The files of ``inputs.raw.events``, without opening one.

    A source that is not made of files, such as a table of the catalog, is listed as one file that
    has always just changed: it is read whole every night.
    """
    if raw.format not in _FILE_FORMATS:
        return [SourceFile(raw.events, size=-1, modified_us=time.time_ns() // 1000)]
    try:
        found = (
            spark.read.format("binaryFile")
            .load(raw.events)
            .select(
                F.col("_metadata.file_path").alias("path"),
                F.col("_metadata.file_size").alias("size"),
                F.unix_micros("_metadata.file_modification_time").alias("modified_us"),
            )
            .collect()
        )
    except PySparkException as error:
        raise ContractError(f"{raw.events} cannot be listed. Check `inputs.raw.events`.") from error
    if not found:
        raise ContractError(f"{raw.events} holds no file. Check `inputs.raw.events`.")
    return sorted(SourceFile(row["path"], row["size"], row["modified_us"]) for row in found)


def read_files(
    spark: SparkSession, raw: RawInputs, files: Sequence[SourceFile], *, listed: int
) -> Contracted:
    """The events in ``files``, of ``listed`` in all, each good row with the path of its ``file``.

    Only these files are opened. A file that landed since the listing is left for the next fold.
    """
    if raw.format not in _FILE_FORMATS:
        events = read_events(spark, raw)
        return replace(events, rows=events.rows.withColumn(FILE, F.lit(raw.events)))
    paths = [file.path for file in files]
    location = raw.events if len(files) == listed else _pattern(paths)
    given = raw.model_copy(update={"events": location})
    events = read_events(spark, given, may_be_empty=True)  # a quiet day is a file without events
    placed = events.rows.withColumn(FILE, F.col("_metadata.file_path"))
    return replace(events, source=raw.events, rows=placed.where(F.col(FILE).isin(paths)))


def source_digest(raw: RawInputs) -> str:
    """A digest of every setting by which events are read: another one means other events."""
    return digest(json.loads(raw.model_dump_json(exclude={"assignments", "customers"})))


def _pattern(paths: Sequence[str]) -> str:
    """One location for a set of files: the path of a single one, else a pattern of names."""
    plain = [unquote(path) for path in paths]
    root = commonpath([dirname(path) for path in plain])
    names = sorted(path.removeprefix(root).lstrip("/") for path in plain)
    if len(names) == 1:
        return f"{_literal(root)}/{_literal(names[0])}"
    return f"{_literal(root)}/{{{','.join(map(_literal, names))}}}"


def _literal(text: str) -> str:
    """The text, with a backslash before what a pattern would read otherwise."""
    return _SPECIAL.sub(r"\\\1", text)
