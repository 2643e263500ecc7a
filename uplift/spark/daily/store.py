"""Where the daily table stands on disk, and how a folder gets there whole.

::

    tables/daily/ledger.json                      turns when a fold is complete
                 days/2026-03-01/<part>/*.parquet immutable
                 totals.json                      turns when the totals are complete
                 totals/<name>/*.parquet          immutable

A folder is filled in ``.staging`` and then renamed. What no document names is a stray of a killed
run, and the next one sweeps it away.
"""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from uplift.spark.daily.ledger import day_name
from uplift.spark.tables import tidy
from uplift.workspace import Workspace


@dataclass(frozen=True)
class DailyStore:
    """The folder of the daily table."""

    root: Path

    @property
    def ledger(self) -> Path:
        """The document that names the files read and the parts of each day."""
        return self.root / "ledger.json"

    @property
    def totals_record(self) -> Path:
        """The document that names the running totals and what is in them."""
        return self.root / "totals.json"

    @property
    def staging(self) -> Path:
        """Where Spark writes before anything gets its name."""
        return self.root / ".staging"

    def part(self, day: int, name: str) -> Path:
        """The folder of one part of a day."""
        return self.root / "days" / day_name(day) / name

    def totals(self, name: str) -> Path:
        """The folder of running totals."""
        return self.root / "totals" / name

    def paths(self, parts: Mapping[int, Iterable[str]]) -> list[str]:
        """The folders of these parts, in order of the days."""
        return [
            str(self.part(day, name).resolve())
            for day, names in sorted(parts.items())
            for name in names
        ]

    def lost_days(self, parts: Mapping[int, Iterable[str]]) -> frozenset[int]:
        """The days of which a part is not on disk."""
        return frozenset(
            day
            for day, names in parts.items()
            if not all(self.part(day, name).is_dir() for name in names)
        )


def daily_store(workspace: Workspace) -> DailyStore:
    """The daily table of a campaign."""
    return DailyStore(workspace.table("daily"))


def settle(filled: Path, place: Path) -> int:
    """Move a folder that Spark has filled to its place; a stray that stands there goes first.

    Returns:
        The number of rows in it.
    """
    rows = tidy(filled)
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        shutil.rmtree(place)
    filled.rename(place)
    return rows


def sweep_parts(store: DailyStore, parts: Mapping[int, Iterable[str]]) -> None:
    """Remove the parts that the ledger does not name: replaced ones, and strays."""
    shutil.rmtree(store.staging, ignore_errors=True)
    _remove(store.root.glob("days/*/*"), but=store.paths(parts))
    for day in store.root.glob("days/*"):
        if not any(day.iterdir()):
            day.rmdir()


def sweep_totals(store: DailyStore, name: str) -> None:
    """Remove all running totals but those of this name."""
    shutil.rmtree(store.staging, ignore_errors=True)
    _remove(store.root.glob("totals/*"), but=[str(store.totals(name).resolve())])


def _remove(folders: Iterable[Path], *, but: Iterable[str]) -> None:
    kept = set(but)
    for folder in folders:
        if str(folder.resolve()) not in kept:
            shutil.rmtree(folder)
