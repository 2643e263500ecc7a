"""A ledger in one SQLite file, for the processes of one machine.

Statements run on the caller's thread: they take some 20 us, less than a thread would cost. A crash
of a process loses nothing; of the machine, at most what the disk had not taken yet.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from uplift.errors import ContractError
from uplift.online.ledger import Answer, Claim, LedgerUnavailableError, Limits, Spent, Verdict

_ALL = ""  # the row of a scope that counts all coupons
_TABLES = """
CREATE TABLE IF NOT EXISTS given (
    scope TEXT NOT NULL, unit_id TEXT NOT NULL, treatment TEXT NOT NULL,
    PRIMARY KEY (scope, unit_id, treatment)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counts (
    scope TEXT NOT NULL, treatment TEXT NOT NULL, offers INTEGER NOT NULL, micros INTEGER NOT NULL,
    PRIMARY KEY (scope, treatment)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    scope TEXT NOT NULL, request_id TEXT NOT NULL, question TEXT NOT NULL, text TEXT NOT NULL,
    expires_at REAL NOT NULL, PRIMARY KEY (scope, request_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS expiry ON answers (expires_at);
"""
_COUNT = """
INSERT INTO counts VALUES (?, ?, 1, ?)
ON CONFLICT DO UPDATE SET offers = offers + 1, micros = micros + excluded.micros
"""
_FORGET = (
    "DELETE FROM answers WHERE (scope, request_id) IN"
    " (SELECT scope, request_id FROM answers WHERE expires_at <= ? LIMIT 100)"
)


class SqliteLedger:
    """Counts and first answers in a file.

    Args:
        path: Made if it does not exist.
        timeout_seconds: How long to wait for another process.
        clock: Seconds since the epoch.

    Raises:
        ContractError: The file is something else, or cannot be written.
    """

    def __init__(
        self, path: Path, *, timeout_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._path, self._clock = path, clock
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Autocommit: transactions are opened by hand, and only where something is written.
            self._file = sqlite3.connect(
                path, timeout=timeout_seconds, isolation_level=None, check_same_thread=False
            )
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise ContractError(
                f"{path} cannot keep the ledger of caps and request ids ({error}). Move it away; a "
                "new one counts from zero."
            ) from error

    async def claim(self, scope: str, claims: Sequence[Claim], limits: Limits) -> list[Verdict]:
        """See ``Ledger.claim``."""
        with self._writing():
            return [self._claim(scope, claim, limits) for claim in claims]

    async def remember(self, scope: str, answers: Sequence[Answer], seconds: int) -> list[Answer]:
        """See ``Ledger.remember``."""
        now = self._clock()
        with self._writing():
            self._file.execute(_FORGET, (now,))
            return [self._remember(scope, answer, now, seconds) for answer in answers]

    async def spent(self, scope: str) -> Spent:
        """See ``Ledger.spent``."""
        try:
            return self._spent(scope, _ALL)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    async def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _claim(self, scope: str, claim: Claim, limits: Limits) -> Verdict:
        new = (scope, claim.unit_id, claim.treatment)
        if self._file.execute(
            "SELECT 1 FROM given WHERE scope = ? AND unit_id = ? AND treatment = ?", new
        ).fetchone():
            return "granted"
        coupon, total = self._spent(scope, claim.treatment), self._spent(scope, _ALL)
        cap, spend = limits.offers.get(claim.treatment), limits.total_spend_micros
        if cap is not None and coupon.offers >= cap:
            return "coupon_cap"
        if limits.total_offers is not None and total.offers >= limits.total_offers:
            return "total_cap"
        if spend is not None and total.spend_micros + claim.cost_micros > spend:
            return "spend_cap"
        self._file.execute("INSERT INTO given VALUES (?, ?, ?)", new)
        for row in (claim.treatment, _ALL):
            self._file.execute(_COUNT, (scope, row, claim.cost_micros))
        return "granted"

    def _remember(self, scope: str, answer: Answer, now: float, seconds: int) -> Answer:
        self._file.execute(
            "INSERT INTO answers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " question = excluded.question, text = excluded.text, expires_at = excluded.expires_at"
            " WHERE answers.expires_at <= ?",
            (scope, answer.request_id, answer.question, answer.text, now + seconds, now),
        )
        question, text = self._file.execute(
            "SELECT question, text FROM answers WHERE scope = ? AND request_id = ?",
            (scope, answer.request_id),
        ).fetchone()
        return Answer(answer.request_id, question, text)

    def _spent(self, scope: str, treatment: str) -> Spent:
        row = self._file.execute(
            "SELECT offers, micros FROM counts WHERE scope = ? AND treatment = ?",
            (scope, treatment),
        ).fetchone()
        return Spent(*row) if row else Spent(0, 0)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction that nobody else writes beside; it stands as a whole or not at all."""
        try:
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: sqlite3.Error) -> LedgerUnavailableError:
        return LedgerUnavailableError(
            f"the ledger {self._path} cannot be used ({error}); capped coupons are held back until "
            "it can. Is its disk full, or `serving.ledger.timeout_seconds` too short?"
        )
