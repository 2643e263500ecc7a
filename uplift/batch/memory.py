"""Peak memory of a process and all its children, watched from a thread."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_KIB_PER_MIB = 1024
_PROC = Path("/proc")


class PeakMemory:
    """The most memory seen so far, in MiB; None where the system does not tell."""

    def __init__(self) -> None:
        self.mib: float | None = None

    def look(self, pid: int) -> None:
        """Add up what the process and its descendants hold now.

        Pages that several processes share are split among them (proportional set size), so forked
        Python workers are not counted twice.
        """
        held = sum(filter(None, map(_held_kib, family(pid)))) / _KIB_PER_MIB
        if held:
            self.mib = max(held, self.mib or 0.0)


@contextmanager
def peak_memory(*, every_seconds: float = 0.5) -> Iterator[PeakMemory]:
    """Watch this process and its descendants while the block runs.

    In local mode that is all of Spark; on a cluster it is the driver alone.
    """
    peak, over = PeakMemory(), threading.Event()

    def watch() -> None:
        peak.look(os.getpid())
        while not over.wait(every_seconds):
            peak.look(os.getpid())

    watcher = threading.Thread(target=watch, name="peak-memory", daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def family(pid: int) -> Iterator[int]:
    """A process and its living descendants."""
    yield pid
    for children in _PROC.glob(f"{pid}/task/*/children"):
        try:
            found = children.read_text().split()
        except OSError:  # gone since
            continue
        for child in found:
            yield from family(int(child))


def _held_kib(pid: int) -> int | None:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), None)
