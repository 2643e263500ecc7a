"""What audiences are cut from: a published run, customers' attributes, and who must not be in."""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import duckdb
import pyarrow as pa

from uplift.audience.snapshot import Snapshot
from uplift.errors import ContractError

Connection: TypeAlias = duckdb.DuckDBPyConnection

KEY = "unit_id"
RUN, ATTRIBUTES, SUPPRESSED = "run", "attributes", "suppressed"


@dataclass(frozen=True)
class Source:
    """A run that does not change, and what stands beside it.

    Attributes:
        snapshot: The published run.
        attributes: Parquet or CSV with ``unit_id`` and what else is known of customers; None: none.
        suppressed: Ids of customers who asked to be left alone.
        memory_mb: What a query may hold in memory; beyond that it goes to disk.
    """

    snapshot: Snapshot
    attributes: Path | None = None
    suppressed: Sequence[str] = ()
    memory_mb: int = 300


@contextmanager
def opened(source: Source) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that knows the views ``run``, ``suppressed`` and, if given, ``attributes``.

    Raises:
        ContractError: The attributes cannot be read, or have no or a repeated ``unit_id``.
    """
    with duckdb.connect(config={"memory_limit": f"{source.memory_mb}MB"}) as connection:
        connection.execute("SET enable_progress_bar_print = false")
        files = [str(path) for path in source.snapshot.scores]
        connection.read_parquet(files).create_view(RUN)
        ids = pa.table({KEY: pa.array(list(source.suppressed), pa.string())})
        connection.register(SUPPRESSED, ids)
        if source.attributes is not None:
            _add_attributes(connection, source.attributes)
        yield connection


def column_types(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Name and type of every column that can be chosen; those of the run first."""
    views = [RUN, ATTRIBUTES] if _has_attributes(connection) else [RUN]
    return {
        str(name): str(kind)
        for view in reversed(views)
        for name, kind, *_ in connection.execute(f"DESCRIBE {view}").fetchall()
    } | {
        str(name): str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE {RUN}").fetchall()
    }


def progress_of(connection: Connection) -> float:
    """Share of the running query that is done, 0 to 1; 1 once its thread has closed it."""
    try:
        return min(1.0, max(0.0, connection.query_progress() / 100.0))
    except duckdb.ConnectionException:
        return 1.0


def stop_query(connection: Connection) -> None:
    """Interrupt what another thread runs; it may have closed the connection meanwhile."""
    with suppress(duckdb.ConnectionException):
        connection.interrupt()


def customers(connection: duckdb.DuckDBPyConnection) -> str:
    """The table expression of all customers: a row each, as published, with their attributes."""
    if not _has_attributes(connection):
        return RUN
    ours = {str(name) for name, *_ in connection.execute(f"DESCRIBE {RUN}").fetchall()}
    theirs = [str(name) for name, *_ in connection.execute(f"DESCRIBE {ATTRIBUTES}").fetchall()]
    added = [f"{ATTRIBUTES}.{quoted(name)}" for name in theirs if name not in ours]
    columns = ", ".join([f"{RUN}.*", *added])
    return f"(SELECT {columns} FROM {RUN} LEFT JOIN {ATTRIBUTES} USING ({KEY}))"


def require_columns(names: Sequence[str], known: Sequence[str], where: str) -> None:
    """Every name must be a column.

    Raises:
        ContractError: Names each that is not, with the nearest that is.
    """
    unknown = [name for name in names if name not in known]
    if not unknown:
        return
    parts = []
    for name in unknown:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        parts.append(f"{name!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
    raise ContractError(
        f"{len(unknown)} of {len(names)} columns in {where} are unknown: {', '.join(parts)}. "
        f"Known are: {', '.join(known)}."
    )


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A value as an SQL text."""
    return "'" + value.replace("'", "''") + "'"


def _has_attributes(connection: duckdb.DuckDBPyConnection) -> bool:
    views = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal")
    return (ATTRIBUTES,) in views.fetchall()


def _add_attributes(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    way_out = "Correct `export.attributes`."
    parquet = sorted(str(file) for file in path.glob("*.parquet")) if path.is_dir() else []
    try:
        if parquet or path.suffix == ".parquet":
            relation = connection.read_parquet(parquet or [str(path)])
        else:
            relation = connection.read_csv(str(path), all_varchar=False)
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise ContractError(f"attributes {path} cannot be read: {reason}. {way_out}") from error
    if KEY not in relation.columns:
        raise ContractError(
            f"attributes {path} have no column {KEY!r}, only {relation.columns}. {way_out}"
        )
    cast = ", ".join(
        f"CAST({KEY} AS VARCHAR) AS {KEY}" if name == KEY else quoted(name)
        for name in relation.columns
    )
    relation.project(cast).create_view(ATTRIBUTES)
    found = connection.execute(
        f"SELECT {KEY}, count(*) OVER () FROM {ATTRIBUTES} GROUP BY {KEY} HAVING count(*) > 1 "
        f"ORDER BY {KEY} LIMIT 1"
    ).fetchone()
    if found:
        raise ContractError(
            f"attributes {path} hold {found[1]} customers more than once, such as {found[0]!r}; "
            f"a row each is needed. {way_out}"
        )
