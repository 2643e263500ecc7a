"""Audience files: CSV that no spreadsheet can take for formulas, Excel, Parquet and JSON lines.

DuckDB writes all but Excel's workbooks by itself: rows stream from the run's files to the new one
and are never all in memory.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from uplift.audience.source import quoted, text
from uplift.config.exports import Format
from uplift.errors import ContractError

SUFFIX: Mapping[Format, str] = {
    "csv": ".csv",
    "excel": ".csv",
    "parquet": ".parquet",
    "xlsx": ".xlsx",
    "jsonl": ".jsonl",
}
# A spreadsheet runs a cell that starts like one of these. OWASP ASVS 1.2.10, and CR.
_STARTS = "('=', '+', '-', '@', chr(9), chr(13), chr(0))"
_SHEET_ROWS = 1_048_575  # under the header
_BATCH = 20_000


def write_file(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    parameters: Mapping[str, object],
    path: Path,
    *,
    file_format: Format,
    gzip: bool = False,
) -> int:
    """Write the rows of a query to a file and return how many there are.

    CSV is UTF-8 with a header, text in quotes. Text that a spreadsheet would run gets a leading
    apostrophe in CSV; numbers never do, else every negative effect would become text. Excel's own
    workbooks hold text as text, and go on to another sheet where one is full.
    """
    values = dict(parameters)
    if file_format == "xlsx":
        return _write_workbook(connection, query, values, path)
    if file_format == "parquet":
        return _copy(connection, query, values, path, "FORMAT parquet, COMPRESSION zstd")
    packed = ", COMPRESSION gzip" if gzip else ""
    if file_format == "jsonl":
        return _copy(connection, query, values, path, f"FORMAT json{packed}")
    types = column_types_of(connection, query, values)
    texts = [name for name, kind in types.items() if kind == "VARCHAR"]
    quotes = f", FORCE_QUOTE ({', '.join(map(quoted, texts))})" if texts else ""
    options = f"FORMAT csv, HEADER{quotes}{packed}"
    guarded = _guarded(query, texts)
    if file_format == "csv":
        return _copy(connection, guarded, values, path, options)
    bare = path.with_name(f"{path.name}.bare")
    rows = _copy(connection, guarded, values, bare, options)
    with path.open("wb") as file, bare.open("rb") as content:
        file.write("\ufeff".encode())  # without it Excel takes UTF-8 for another code page
        shutil.copyfileobj(content, file)
    bare.unlink()
    return rows


def count_guarded(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, object]
) -> int:
    """How many cells of a query get an apostrophe in CSV."""
    values = dict(parameters)
    types = column_types_of(connection, query, values)
    texts = [quoted(name) for name, kind in types.items() if kind == "VARCHAR"]
    if not texts:
        return 0
    counts = " + ".join(f"count(*) FILTER ({_is_formula(name)})" for name in texts)
    found = connection.execute(f"SELECT {counts} FROM ({query})", values).fetchone()
    return int(found[0]) if found else 0


def column_types_of(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, object]
) -> dict[str, str]:
    """Name and type of each column of a query."""
    empty = connection.execute(f"SELECT * FROM ({query}) LIMIT 0", dict(parameters))
    return {str(name): str(kind) for name, kind, *_ in empty.description or ()}


def _guarded(query: str, texts: list[str]) -> str:
    if not texts:
        return query
    safe = ", ".join(
        f"CASE WHEN {_is_formula(quoted(name))} THEN '''' || {quoted(name)} "
        f"ELSE {quoted(name)} END AS {quoted(name)}"
        for name in texts
    )
    return f"SELECT * REPLACE ({safe}) FROM ({query})"


def _is_formula(column: str) -> str:
    return f"left({column}, 1) IN {_STARTS}"


def _copy(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    parameters: dict[str, object],
    path: Path,
    options: str,
) -> int:
    result = connection.execute(f"COPY ({query}) TO {text(str(path))} ({options})", parameters)
    found = result.fetchone()
    return int(found[0]) if found else 0


def _write_workbook(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, object], path: Path
) -> int:
    try:
        import xlsxwriter  # here, for few exports need it
    except ImportError as error:
        raise ContractError(
            "format xlsx needs the package xlsxwriter, which is not installed. Install the "
            "requirements again, or take `excel`."
        ) from error
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "nan_inf_to_errors": True,
        "default_date_format": "yyyy-mm-dd hh:mm:ss",
        "remove_timezone": True,
    }
    reader = connection.execute(query, parameters)
    names = [str(name) for name, *_ in reader.description or ()]
    rows = 0
    with xlsxwriter.Workbook(str(path), options) as book:
        sheet = _new_sheet(book, names)
        while batch := reader.fetchmany(_BATCH):
            for values in batch:
                place = rows % _SHEET_ROWS
                if rows and not place:
                    sheet = _new_sheet(book, names)
                sheet.write_row(place + 1, 0, values)
                rows += 1
    return rows


def _new_sheet(book: Any, names: list[str]) -> Any:
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, names)
    return sheet
