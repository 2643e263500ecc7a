"""The ledger: which file holds which days, which parts make up a day, and what is left to fold.

No Spark here. A day is the number of days since 1970-01-01 in UTC.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from uplift.workspace import write_document

_FIRST_DAY = date(1970, 1, 1)


@dataclass(frozen=True, order=True)
class SourceFile:
    """A file as listed; it counts as unchanged while its size and time of change are the same."""

    path: str
    size: int
    modified_us: int


@dataclass(frozen=True)
class FoldedFile:
    """What a file held when it was folded: rows per day, and rows per event type."""

    file: SourceFile
    days: Mapping[int, int]
    types: Mapping[str, int]


@dataclass(frozen=True)
class Ledger:
    """All that has been folded.

    Attributes:
        source: Digest of the settings by which events are read.
        valued_types: Event types whose different values are kept.
        files: Every folded file by its path.
        parts: For each day the names of its parts, in the order they came.
    """

    source: str
    valued_types: tuple[str, ...] = ()
    files: Mapping[str, FoldedFile] = field(default_factory=dict)
    parts: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    layout: Literal[1] = 1  # of the daily rows; a ledger of another layout is not read

    @property
    def event_types(self) -> set[str]:
        """Every event type that any file holds."""
        return {name for folded in self.files.values() for name in folded.types}

    @property
    def n_rows(self) -> int:
        """Events in all files."""
        return sum(rows for folded in self.files.values() for rows in folded.days.values())


_LEDGER = TypeAdapter(Ledger)


@dataclass(frozen=True)
class FoldPlan:
    """What a fold has to do.

    Attributes:
        base: The ledger without the files that are gone or changed.
        fresh: New and changed files, which nobody has read yet.
        broken_days: Days that lost something, to be folded anew from all files that hold them.
        reason: Why everything is folded anew; empty where it is not.
    """

    base: Ledger
    fresh: tuple[SourceFile, ...]
    broken_days: frozenset[int]
    reason: str = ""

    @property
    def is_idle(self) -> bool:
        """Nothing changed since the last fold."""
        return not self.fresh and not self.broken_days

    def with_whole_days(self, days: Iterable[int]) -> "FoldPlan":
        """The plan that folds these days anew where they have a part, instead of adding one."""
        return replace(self, broken_days=self.broken_days.union(self.base.parts.keys() & days))


def plan_fold(
    known: Ledger | None,
    listed: Sequence[SourceFile],
    *,
    source: str,
    valued_types: Iterable[str],
    lost_days: Iterable[int] = (),
) -> FoldPlan:
    """Compare what is there with what has been folded.

    Args:
        known: The ledger of the last fold; None if there is none.
        listed: The files of the source now.
        source: Digest of the settings by which events are read now.
        valued_types: Event types whose different values are needed.
        lost_days: Days of which a part has vanished from the disk.
    """
    needed = set(valued_types)
    reason = _why_anew(known, source, needed)
    if known is None or reason:
        kept = tuple(sorted(needed.union(known.valued_types if known else ())))
        return FoldPlan(Ledger(source, kept), tuple(sorted(listed)), frozenset(), reason)
    now = {file.path: file for file in listed}
    same = {path: f for path, f in known.files.items() if now.get(path) == f.file}
    gone = [folded for path, folded in known.files.items() if path not in same]
    broken = frozenset(lost_days).union(day for folded in gone for day in folded.days)
    fresh = tuple(sorted(file for file in listed if file.path not in same))
    return FoldPlan(Ledger(source, known.valued_types, same, known.parts), fresh, broken)


def _why_anew(known: Ledger | None, source: str, needed: set[str]) -> str:
    if known is None:
        return "no event has been folded yet"
    if known.source != source:
        return "`inputs.raw` reads events in another way than it did"
    missing = sorted(needed.difference(known.valued_types))
    return f"different values of {missing} have not been kept" if missing else ""


def after_fold(plan: FoldPlan, read: Iterable[FoldedFile], written: Mapping[int, str]) -> Ledger:
    """The ledger once the parts ``written``, by day, stand on disk.

    The older parts of a day that was folded anew count no more.
    """
    parts = {day: names for day, names in plan.base.parts.items() if day not in plan.broken_days}
    for day, name in written.items():
        parts[day] = (*parts.get(day, ()), name)
    files = {**plan.base.files, **{folded.file.path: folded for folded in read}}
    return replace(plan.base, files=files, parts=parts)


def digest(*content: object) -> str:
    """Twelve hex digits that name this content."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def day_name(day: int) -> str:
    """The date, such as 2026-03-01, for whatever year a clock may have been set to."""
    return str(np.datetime64(day, "D"))


def day_number(day: date) -> int:
    """The number of a date.

    Examples:
        >>> day_number(date(1970, 1, 2)), date_of(1)
        (1, datetime.date(1970, 1, 2))
    """
    return (day - _FIRST_DAY).days


def date_of(day: int) -> date:
    """The date of a day."""
    return _FIRST_DAY + timedelta(days=day)


def write_ledger(path: Path, ledger: Ledger) -> None:
    """Turn the ledger, in one step."""
    write_document(path, _LEDGER.dump_python(ledger, mode="json"))


def read_ledger(path: Path) -> Ledger | None:
    """The ledger; None where there is none that this version of the product can read."""
    if not path.is_file():
        return None
    try:
        return _LEDGER.validate_json(path.read_bytes())
    except ValidationError:
        return None
