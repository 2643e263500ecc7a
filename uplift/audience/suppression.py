"""Customers who asked to be left alone: out of every new export, decision and answer, at once."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from uplift.errors import ContractError

_TABLE = (
    "CREATE TABLE IF NOT EXISTS suppressed "
    "(unit_id TEXT PRIMARY KEY, since TEXT NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID"
)
_MOST = 5_000  # ids a call
_SETTLED_NS = 50_000_000  # a file may change again within one tick of the clock of its stamp


class Suppressions:
    """The list of one workspace, in a file that several processes may read and change.

    Args:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[object, frozenset[str]] = (None, frozenset())

    def add(self, unit_ids: Sequence[str], *, since: datetime, reason: str) -> int:
        """Leave these customers alone from now on; returns how many are new.

        Raises:
            ContractError: There are too many for one call.
        """
        _require_few(unit_ids)
        rows = [(unit_id, since.isoformat(), reason) for unit_id in unit_ids]
        with self._writing() as database:
            before = database.total_changes
            database.executemany("INSERT OR IGNORE INTO suppressed VALUES (?, ?, ?)", rows)
            return database.total_changes - before

    def remove(self, unit_ids: Sequence[str]) -> int:
        """Lift it again; returns for how many."""
        _require_few(unit_ids)
        with self._writing() as database:
            before = database.total_changes
            ids = [(unit_id,) for unit_id in unit_ids]
            database.executemany("DELETE FROM suppressed WHERE unit_id = ?", ids)
            return database.total_changes - before

    def holds(self, unit_id: str) -> bool:
        """Whether this customer is to be left alone."""
        found = self._read("SELECT 1 FROM suppressed WHERE unit_id = ?", (unit_id,))
        return bool(found)

    def among(self, unit_ids: Iterable[str]) -> frozenset[str]:
        """Those of some customers who are to be left alone.

        The list is kept in memory, and read anew when the file has changed: asking costs a look at
        the file's stamp. Safe to call from several threads.

        Raises:
            ContractError: The file cannot be read.
        """
        stamp, ids = self._known
        now = self._stamp()
        if now != stamp:
            ids = frozenset(self.unit_ids())
            is_settled = now is None or time.time_ns() - now[0] > _SETTLED_NS
            self._known = (now if is_settled else object(), ids)
        return ids.intersection(unit_ids)

    def unit_ids(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(row[0] for row in self._read("SELECT unit_id FROM suppressed ORDER BY 1"))

    def _read(self, query: str, values: tuple[str, ...] = ()) -> list[tuple[str]]:
        if not self._path.is_file():
            return []
        try:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as database:
                return database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise ContractError(
                f"the list of suppressed customers {self._path} cannot be read ({error}). Restore "
                "it; until then nobody can tell who asked to be left alone."
            ) from error

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._path, timeout=10.0)
        try:
            with database:
                database.execute(_TABLE)
                yield database
        finally:
            database.close()


def _require_few(unit_ids: Sequence[str]) -> None:
    if len(unit_ids) > _MOST:
        raise ContractError(f"{len(unit_ids)} ids in one call; send at most {_MOST} at a time.")
