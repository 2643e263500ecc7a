"""The benchmark table: every row is a ratio against a peer or a floor, measured in one run."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

VERSIONS = (
    "pyspark",
    "lightgbm",
    "causalml",
    "econml",
    "scikit-uplift",
    "numba",
    "numpy",
    "duckdb",
    "mlflow",
)


@dataclass(frozen=True)
class Row:
    """One line of the table. ``ratio`` is peer over ours: above 1 we are faster (or smaller)."""

    name: str
    ours: float
    unit: str
    peer_name: str
    peer: float
    floor_name: str
    floor: float | None
    target: float | None

    @property
    def ratio(self) -> float:
        return self.peer / self.ours

    def cells(self) -> list[str]:
        floor = f"{self.floor:.4g} ({self.floor_name})" if self.floor is not None else "-"
        target = f"{self.target:g}x" if self.target is not None else "-"
        met = "" if self.target is None or self.ratio >= self.target else " **missed**"
        return [
            self.name,
            f"{self.ours:.4g} {self.unit}",
            f"{self.peer:.4g} ({self.peer_name})",
            floor,
            f"{self.ratio:.2f}x{met}",
            target,
        ]


class Bench:
    """Collects rows and other tables; all are printed when the run ends."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.tables: list[str] = []

    def best(self, call: Callable[[], object], *, repeats: int = 5) -> float:
        """Seconds of the fastest of ``repeats`` calls, after one warm-up."""
        call()
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    def row(
        self,
        name: str,
        *,
        ours: float,
        unit: str,
        peer: tuple[str, float],
        floor: tuple[str, float] | None = None,
        target: float | None = None,
    ) -> None:
        """Add a line. All figures in ``unit``, less is better; ``target`` is the least ratio."""
        floor_name, floor_value = floor if floor else ("", None)
        self.rows.append(Row(name, ours, unit, peer[0], peer[1], floor_name, floor_value, target))

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table of its own, for what is no ratio."""
        self.tables.append(_markdown(head, rows))


_BENCH = Bench()
HEAD = ["what", "ours", "peer", "floor", "ratio", "target"]


@pytest.fixture(scope="session")
def bench() -> Bench:
    return _BENCH


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def _report() -> str:
    ratios = [_markdown(HEAD, [row.cells() for row in _BENCH.rows])] if _BENCH.rows else []
    packages = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    return "\n\n".join([*ratios, *_BENCH.tables, f"{machine}; {packages}."])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _BENCH.rows and not _BENCH.tables:
        return
    table = _report()
    terminalreporter.write_line("")
    terminalreporter.write_line(table)
    target = os.environ.get("UPLIFT_BENCH_TABLE")
    if target:
        Path(target).write_text(table + "\n", encoding="utf-8")
