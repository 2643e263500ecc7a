"""The log that the next experiment is read from: who got which arm, with what chance.

    decision_log/_open-<name>.jsonl       being written; readers of tables leave out names with _
    decision_log/decisions-<name>.jsonl   closed, complete, never touched again

A line is one decision. Whoever decides only puts a line into a bounded queue; a thread writes what
has come together, many lines in one call, so that a slow disk cannot slow an answer. A line that
was written survives the death of the process. Files of dead writers are closed by the next one to
start, without the line that they could not finish.
"""

import fcntl
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from uplift.errors import ContractError

_OPEN, _CLOSED, _SUFFIX = "_open-", "decisions-", ".jsonl"

Written = Callable[[bool], None]


@dataclass
class Counts:
    """Lines so far: written, shed because the queue was full, lost because the disk refused."""

    written: int = 0
    shed: int = 0
    failed: int = 0


class DecisionLog:
    """Appends lines to files of a folder until it is closed. Safe to call from several threads.

    Args:
        folder: Made if it does not exist; any number of processes may share it.
        queue: Lines that may wait.
        flush_seconds: How long a line waits at most before it is written.
        rotate_seconds: Age at which a file is closed.
        rotate_bytes: Size at which a file is closed.

    Raises:
        ContractError: The folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        queue: int = 20_000,
        flush_seconds: float = 0.05,
        rotate_seconds: float = 300.0,
        rotate_bytes: int = 64 << 20,
    ) -> None:
        self.counts = Counts()
        self._folder, self._queue = folder, queue
        self._flush_seconds = flush_seconds
        self._rotate_seconds, self._rotate_bytes = rotate_seconds, rotate_bytes
        self._waiting: deque[tuple[bytes, Written | None]] = deque()
        self._urgent, self._closing = threading.Event(), False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            close_abandoned(folder)
            self._file = _File(folder)
        except OSError as error:
            raise ContractError(
                f"decisions cannot be logged to {folder} ({error.strerror}). Make it writable, or "
                "choose another `workspace`."
            ) from error
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Lines that are not written yet."""
        return len(self._waiting)

    def append(self, line: bytes, written: Written | None = None) -> bool:
        """Put a line (without its end) into the queue; False if it is full and the line was shed.

        Args:
            line: One JSON document.
            written: Called by the writer's thread once the line is in the file, or refused by the
                disk; with it the line is written at once.
        """
        if self._closing or len(self._waiting) >= self._queue:
            self.counts.shed += 1
            return False
        self._waiting.append((line, written))
        if written is not None:
            self._urgent.set()
        return True

    def close(self) -> None:
        """Write what waits and close the file. A second call does nothing."""
        self._closing = True
        self._urgent.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            self._urgent.wait(self._flush_seconds)
            self._urgent.clear()
            self._flush()
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if taken:
            is_written = self._write(b"".join(line + b"\n" for line, _ in taken))
            if is_written:
                self.counts.written += len(taken)
            else:
                self.counts.failed += len(taken)
            for _, tell in taken:
                if tell is not None:
                    tell(is_written)
        file = self._file
        is_old = file.n_bytes and time.monotonic() - file.opened >= self._rotate_seconds
        if is_old or file.n_bytes >= self._rotate_bytes:
            try:
                fresh = _File(self._folder)
            except OSError:
                return  # the old file goes on until the disk has room again
            file.close()
            self._file = fresh

    def _write(self, lines: bytes) -> bool:
        try:
            self._file.write(lines)
        except OSError:
            return False
        return True


class _File:
    """One file being written, locked as long as its writer lives."""

    def __init__(self, folder: Path) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        self._folder = folder
        self._name, self._handle = self._begin(stamp)
        self.opened, self.n_bytes = time.monotonic(), 0

    def _begin(self, stamp: str) -> tuple[str, int]:
        """Make the file and lock it, before another process takes it for abandoned."""
        while True:
            name = f"{stamp}-{os.getpid()}-{uuid.uuid4().hex[:8]}{_SUFFIX}"
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
            handle = os.open(self._folder / (_OPEN + name), flags, 0o640)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_nlink:
                return name, handle
            os.close(handle)

    def write(self, lines: bytes) -> None:
        """Append all of it, or none of it."""
        done = 0
        try:
            while done < len(lines):
                done += os.write(self._handle, lines[done:])
        except OSError:
            os.ftruncate(self._handle, self.n_bytes)
            raise
        self.n_bytes += len(lines)

    def close(self) -> None:
        """Give the file its final name, through to the disk; an empty one goes."""
        _finish(self._folder / (_OPEN + self._name), self._handle, self.n_bytes)
        os.close(self._handle)


def close_abandoned(folder: Path) -> int:
    """Close the files whose writers died, up to their last whole line; return how many."""
    n = 0
    for path in sorted(folder.glob(f"{_OPEN}*{_SUFFIX}")):
        handle = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists():  # else another process closed it before this one had the lock
                whole = path.read_bytes().rfind(b"\n") + 1
                os.ftruncate(handle, whole)
                _finish(path, handle, whole)
                n += 1
        except BlockingIOError:
            pass  # its writer lives
        finally:
            os.close(handle)
    return n


def _finish(path: Path, handle: int, n_bytes: int) -> None:
    if not n_bytes:
        path.unlink()
        return
    os.fsync(handle)
    path.rename(path.with_name(_CLOSED + path.name.removeprefix(_OPEN)))
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
