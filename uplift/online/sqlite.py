"""A feature store in one immutable SQLite file: no server, microseconds per customer.

The file belongs to a published run and never changes, so readers open it ``immutable``: no locks,
no journal, pages straight from the memory map.
"""

import json
import os
import sqlite3
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa

from uplift.errors import ContractError, VersionMismatchError
from uplift.features.encoder import FeatureEncoder
from uplift.online.rows import FLOAT, Row, encoded_rows
from uplift.online.store import OnlineCustomer

FORMAT = 1
_TABLE = "(unit_id TEXT NOT NULL, contactable INTEGER NOT NULL, features BLOB NOT NULL"
_LOOKUP = "SELECT contactable, features FROM customers WHERE unit_id = ?"
_EVERYBODY = "SELECT unit_id, contactable, features FROM customers"
_WAY_OUT = "Publish again with jobs.publish_snapshot."


def build_store(path: Path, batches: Iterable[pa.RecordBatch], encoder: FeatureEncoder) -> int:
    """Write the store of a run and return how many customers it holds.

    The same customers give the same bytes, in whatever order they come: SQLite sorts them on disk,
    so memory holds one batch at a time. The file is written beside and then renamed.

    Args:
        path: Where the store shall stand.
        batches: ``unit_id``, ``contactable`` and the encoder's columns.
        encoder: The model's, so that a lookup needs no encoding.

    Raises:
        ContractError: A customer comes twice.
    """
    arrivals, staged = path.with_name(f".{path.name}.arrivals"), path.with_name(f".{path.name}.new")
    _remove(arrivals, staged)
    try:
        with closing(_connect_for_writing(staged)) as store:
            store.execute("ATTACH DATABASE ? AS arrivals", (str(arrivals),))
            store.execute("PRAGMA arrivals.journal_mode = OFF")
            store.execute("PRAGMA arrivals.synchronous = OFF")
            store.execute(f"CREATE TABLE arrivals.customers {_TABLE})")
            for batch in batches:
                store.executemany(
                    "INSERT INTO arrivals.customers VALUES (?, ?, ?)", encoded_rows(batch, encoder)
                )
            n_customers = _sort_into_place(store, encoder)
            store.commit()
        with staged.open("rb") as file:
            os.fsync(file.fileno())
        staged.replace(path)
    finally:
        _remove(arrivals, staged)
    return n_customers


class SqliteStore:
    """Reads a file that ``build_store`` wrote; each thread has a connection of its own."""

    is_remote = False

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ContractError(f"the feature store {path} does not exist. {_WAY_OUT}")
        self._path = path
        self._own = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._is_closed = False
        try:
            found = dict(self._connection().execute("SELECT key, value FROM about"))
            self._names: tuple[str, ...] = tuple(json.loads(found["features"]))
        except (sqlite3.DatabaseError, KeyError) as error:
            self.close()
            raise ContractError(f"{path} is no feature store ({error}). {_WAY_OUT}") from error
        if found["format"] != str(FORMAT):
            self.close()
            raise VersionMismatchError(
                f"{path} has format {found['format']}, this release reads {FORMAT}. {_WAY_OUT}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the arrays."""
        return self._names

    def get(self, unit_id: str) -> OnlineCustomer | None:
        """The customer, or None if the run does not know them."""
        try:
            row = self._connection().execute(_LOOKUP, (unit_id,)).fetchone()
        except sqlite3.Error as error:
            raise ContractError(f"{self._path} cannot be read ({error}). {_WAY_OUT}") from error
        if row is None:
            return None
        contactable, features = row
        if len(features) != len(self._names) * FLOAT.itemsize:
            raise ContractError(
                f"{self._path} holds {len(features)} bytes for a customer with "
                f"{len(self._names)} features: it is damaged. {_WAY_OUT}"
            )
        return OnlineCustomer(np.frombuffer(features, dtype=FLOAT), bool(contactable))

    def rows(self) -> Iterator[Row]:
        """Everybody, for another store to take over."""
        for unit_id, contactable, features in self._connection().execute(_EVERYBODY):
            yield unit_id, bool(contactable), features

    def close(self) -> None:
        """Close the connections of all threads. A second call does nothing."""
        with self._lock:
            self._is_closed = True
            for connection in self._all:
                connection.close()
            self._all.clear()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            uri = f"{self._path.absolute().as_uri()}?mode=ro&immutable=1"
            # Only this thread queries it; close() may come from another one.
            connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            connection.execute(f"PRAGMA mmap_size = {sys.maxsize}")
            self._own.connection = connection
            with self._lock:
                if self._is_closed:
                    connection.close()
                self._all.append(connection)
        return connection


def _connect_for_writing(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    # Nobody reads the file before its rename, so a crash may lose it: no journal, one sync.
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"CREATE TABLE customers {_TABLE}, PRIMARY KEY (unit_id)) WITHOUT ROWID")
    connection.execute("CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
    return connection


def _sort_into_place(store: sqlite3.Connection, encoder: FeatureEncoder) -> int:
    try:
        found = store.execute(
            "INSERT INTO customers SELECT * FROM arrivals.customers ORDER BY unit_id"
        )
    except sqlite3.IntegrityError as error:
        unit_id, times, n_doubled = store.execute(
            "SELECT min(unit_id), max(n), count(*) FROM (SELECT unit_id, count(*) AS n"
            " FROM arrivals.customers GROUP BY unit_id HAVING n > 1)"
        ).fetchone()
        raise ContractError(
            f"unit_id {unit_id!r} stands in customer_features {times} times ({n_doubled} such "
            "customers). One row per customer: run jobs.score_customers again."
        ) from error
    about = {"format": str(FORMAT), "features": json.dumps(encoder.names)}
    store.executemany("INSERT INTO about VALUES (?, ?)", sorted(about.items()))
    return found.rowcount


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
