"""Open a table of any format that the session can read, lines that cannot be parsed included."""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F

from uplift.errors import ContractError
from uplift.spark.contracts import require_rows

MALFORMED = "_corrupt_record"  # the line, where it could not be parsed; absent in other formats
CATALOG_TABLE = "table"

_OWN_FORMATS = ("parquet", "csv", "json", "orc", CATALOG_TABLE)
_FAILURES = (PySparkException, Py4JJavaError)
_FILE, _BLOCK, _PLACE = "__file", "__block", "__place"


def open_table(
    spark: SparkSession, location: str, file_format: str, *, key: str, may_be_empty: bool = False
) -> DataFrame:
    """The table at ``location``: a path, or the name of a catalog table if the format is `table`.

    CSV and JSON are text throughout. A line of theirs that cannot be parsed (in CSV: also one with
    more or fewer fields than the header) is a row whose column ``MALFORMED`` holds it. A quote that
    stays open in the last field of a CSV line is not noticed. The files of one CSV table must have
    one header. Takes no pass over the rows, only a look for a first one; but the columns of JSON
    are found by a pass.

    Args:
        spark: The session.
        location: Path or name.
        file_format: `parquet`, `csv`, `json` (a document per line), `orc`, `table`, or a format
            that a jar brings: `delta`, `iceberg`.
        key: The config key of the location, for messages.
        may_be_empty: A table without rows is one too.

    Raises:
        ContractError: There is no such path or table, the session does not know the format, the
            files are of another one, or there is no row.
    """
    try:
        frame = _opened(spark.read, location, file_format)
    except _FAILURES as error:
        raise ContractError(_sentence(error, location, file_format, key)) from error
    try:
        # whoever needs columns says so of a table without any
        if frame.columns and not may_be_empty:
            require_rows(frame, source=location)
    except _FAILURES as error:
        raise unreadable(error, source=location) or error from error
    return frame


def unreadable(error: PySparkException | Py4JJavaError, *, source: str) -> ContractError | None:
    """What to say if Spark met a file that it cannot read; None if it failed of something else."""
    text = str(error)
    if "FAILED_READ_FILE" not in text and "CSV header does not conform" not in text:
        return None
    found = re.search(r"reading file (\S+?)\.?\s", text)
    file = found.group(1) if found else "a file"
    fault = "cannot be read"
    if "CSV header does not conform" in text:
        fault = "has another header than other files"
    return ContractError(
        f"{file} of {source} {fault}, so none of its rows can be judged. Write this file anew, or "
        "move it out of the folder."
    )


def number_rows(frame: DataFrame, name: str) -> DataFrame:
    """Add the column ``name``, the row's number from 1 as text, to a frame just read from files.

    Files count in the order of their names. However Spark cuts and packs the files, a row keeps
    its number, so hashed draws from it stay as they are. Takes one pass that reads no column.
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
        .withColumn(name, number)
        .drop(_FILE, _BLOCK, _PLACE, "shift")
    )


def _opened(reader: DataFrameReader, location: str, file_format: str) -> DataFrame:
    if file_format == CATALOG_TABLE:
        return reader.table(location)
    if file_format == "csv":
        return _csv(reader, location)
    if file_format == "json":
        reader = reader.option("primitivesAsString", True)
        reader = reader.option("columnNameOfCorruptRecord", MALFORMED)
    return reader.format(file_format).load(location)


def _csv(reader: DataFrameReader, location: str) -> DataFrame:
    """All columns of the first file's header, and the line where the fields do not fit it."""
    reader = reader.options(header=True, escape='"').format("csv")
    header = reader.load(location).schema
    if not header.names:
        return reader.load(location)
    return (
        reader.options(
            columnNameOfCorruptRecord=MALFORMED,
            columnPruning=False,  # else Spark counts the fields that a query needs, not all
            enforceSchema=_has_changed_names(header.names),
        )
        .schema(header.add(MALFORMED, "string"))
        .load(location)
    )


def _has_changed_names(names: Sequence[str]) -> bool:
    """Whether Spark named a column: one without a name, or two of the same.

    Then a file's header never equals these names, so it cannot be compared with them.
    """
    stems = Counter(
        name.removesuffix(str(place))
        for place, name in enumerate(names)
        if name.endswith(str(place))
    )
    return "_c" in stems or any(count > 1 for count in stems.values())


def _sentence(
    error: PySparkException | Py4JJavaError, location: str, file_format: str, key: str
) -> str:
    condition = error.getCondition() if isinstance(error, PySparkException) else None
    if condition == "PATH_NOT_FOUND":
        return f"{location} does not exist. Check `{key}`."
    if condition == "TABLE_OR_VIEW_NOT_FOUND":
        return (
            f"the catalog of this session has no table {location!r}. Check `{key}`, or the catalog "
            "in `spark.settings`."
        )
    if "DATA_SOURCE_NOT_FOUND" in f"{condition} {error}":
        close = difflib.get_close_matches(file_format, _OWN_FORMATS, n=1)
        way_out = f"is it {close[0]!r}" if close else "add its jar to `spark.settings`"
        return (
            f"{location} cannot be read: this session does not know the format {file_format!r} "
            f"({way_out}?). Without jars it reads {', '.join(_OWN_FORMATS)}. Check `{key}` and its "
            "`format`."
        )
    return f"{location} cannot be read as {file_format}. Check `{key}` and its `format`."
