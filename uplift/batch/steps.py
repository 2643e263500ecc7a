"""Steps with receipts: a step is skipped if it would read, and has left, what it did before.

A receipt is written last, after the outputs of its step. Killed before that, a step has none that
fits, and runs again; killed after it, it is skipped. A step that reads a table made again with the
same bytes is skipped too, so a change stops spreading where it stops mattering.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

from uplift.batch.digests import ABSENT, content_digest, look_digest
from uplift.errors import ConfigError, ContractError
from uplift.workspace import read_document, write_document

_FORMAT = 1
_CAUSES = {
    "code": "the code changed",
    "settings": "its settings changed",
    "watches": "an input of the campaign changed",
}


@dataclass(frozen=True)
class Step:
    """One job of the night, and all that its outputs hang on.

    Attributes:
        name: The job's.
        run: The job.
        settings: The parts of the configuration that it reads, and whatever else is no file, as
            JSON; asked for when the step's turn comes.
        reads: Files and folders of the workspace, known by content.
        watches: Inputs of the campaign from outside, known by names, sizes and times.
        writes: What it leaves in the workspace.
        rows_in: Counts the rows that go in; None where they are not counted.
        rows_out: Counts the rows that came out.
        holds: Whether what it did outside of files still holds, such as a pointer or a server.
    """

    name: str
    run: Callable[[], None]
    settings: Callable[[], Mapping[str, object]]
    reads: tuple[Path, ...] = ()
    watches: tuple[str, ...] = ()
    writes: tuple[Path, ...] = ()
    rows_in: Callable[[], int | None] = field(default=lambda: None)
    rows_out: Callable[[], int | None] = field(default=lambda: None)
    holds: Callable[[], bool] = field(default=lambda: True)


@dataclass(frozen=True)
class Basis:
    """What the outputs of a step follow from.

    Attributes:
        code: Digest of the sources.
        settings: Digest of the settings.
        reads: Digest of each path read.
        watches: Digest of the look of each input; null where nobody can look.
    """

    code: str
    settings: str
    reads: Mapping[str, str]
    watches: Mapping[str, str | None]


@dataclass(frozen=True)
class Receipt:
    """What a step followed from, what it left, and what it took.

    Attributes:
        basis: What it followed from.
        writes: Digest of each path written.
        rows_in: Rows of the table it read, null where it is not one.
        rows_out: Rows of the table it wrote.
        seconds: Wall time.
        peak_mib: Most memory of the driver's processes together, null where nobody can tell.
    """

    basis: Basis
    writes: Mapping[str, str]
    rows_in: int | None
    rows_out: int | None
    seconds: float
    peak_mib: float | None


def basis_of(step: Step, *, code: str) -> Basis:
    """What the step would follow from now."""
    settings = json.dumps(step.settings(), sort_keys=True, default=str)
    return Basis(
        code=code,
        settings=hashlib.sha256(settings.encode()).hexdigest(),
        reads={str(path): content_digest(path) for path in step.reads},
        watches={location: look_digest(location) for location in step.watches},
    )


def left_by(step: Step) -> dict[str, str]:
    """Digest of everything that the step writes, as it stands now."""
    return {str(path): content_digest(path) for path in step.writes}


def why_run(step: Step, basis: Basis, receipt: Receipt | None) -> str | None:
    """Why the step must run, in words for people; None if it may be skipped."""
    if receipt is None:
        return "it has not run before"
    for part, cause in _CAUSES.items():
        if getattr(basis, part) != getattr(receipt.basis, part):
            return cause
    changed = _unlike(basis.reads, receipt.basis.reads)
    if changed:
        return f"{_names(changed)} changed"
    if None in basis.watches.values():
        return "an input of the campaign is where nobody can look"
    lost = _unlike(left_by(step), receipt.writes)
    if lost or ABSENT in receipt.writes.values():
        return f"{_names(lost)} is not as it was left"
    return None if step.holds() else "what it did no longer holds"


def selected(
    names: Sequence[str], *, first: str | None = None, only: Sequence[str] = ()
) -> list[str]:
    """The steps asked for, in their order.

    Args:
        names: All steps.
        first: Leave out those before it.
        only: Leave out all others; empty: none.

    Raises:
        ConfigError: No step is called so.
    """
    unknown = sorted({*only, *([first] if first else [])}.difference(names))
    if unknown:
        raise ConfigError(
            f"no step of the night is called {', '.join(map(repr, unknown))}. They are, in order: "
            f"{', '.join(names)}."
        )
    chosen = names[names.index(first) :] if first else names
    return [name for name in chosen if not only or name in only]


class Receipts:
    """The receipts of one workspace, one document per step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> Receipt | None:
        """The receipt of the step's last run; None where there is none that can be read."""
        path = self._folder / f"{name}.json"
        try:
            document = read_document(path, made_by="nightly.py")
            if document.pop("format") != _FORMAT:
                return None
            basis = Basis(**cast(dict[str, str], document.pop("basis")))  # type: ignore[arg-type]
            return Receipt(basis=basis, **document)  # type: ignore[arg-type]
        except (ContractError, ValueError, TypeError, KeyError, AttributeError):
            return None  # a receipt is worth having, never worth failing for: the step runs

    def write(self, name: str, receipt: Receipt) -> None:
        """Keep a receipt, in place of the step's last one."""
        write_document(self._folder / f"{name}.json", {"format": _FORMAT, **asdict(receipt)})


def _unlike(now: Mapping[str, object], then: Mapping[str, object]) -> list[str]:
    return sorted(key for key in {*now, *then} if now.get(key) != then.get(key))


def _names(paths: Sequence[str]) -> str:
    return ", ".join(Path(path).name for path in paths)
