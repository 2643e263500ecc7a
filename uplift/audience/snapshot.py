"""Immutable runs and a pointer that moves last: a reader sees the old run or the new one.

    published/CURRENT         the run_id that readers use
    published/HISTORY.json    the run_ids that readers used, in turn; see uplift.audience.history
    published/runs/<run_id>/  MANIFEST.json scores/*.parquet model/ policy.json customers.sqlite

A run is filled in a staging folder, sealed by its manifest, renamed to its place, and only then
pointed to. Killed at any moment, a publisher leaves the pointer on a whole run and at most a
staging folder, which the next one sweeps away.
"""

import fcntl
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from uplift.audience.manifest import (
    Facts,
    Manifest,
    files_in,
    read_manifest,
    seal_folder,
    seal_of,
    sync,
)
from uplift.errors import ContractError, ModelNotReadyError

_RUNS = "runs"
_POINTER = "CURRENT"
_STAGING = ".staging"
_LOCK = ".lock"
_RUN_ID = re.compile(r"\d{8}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Snapshot:
    """One published run. Hold on to it for a whole request or export: it never changes."""

    folder: Path
    manifest: Manifest

    @property
    def run_id(self) -> str:
        """The run's name, which is also its folder's."""
        return self.folder.name

    @property
    def facts(self) -> Facts:
        """Campaign, versions, row counts and segment sizes."""
        return self.manifest.facts

    @property
    def scores(self) -> tuple[Path, ...]:
        """The Parquet files of the scores, best customers of each segment first."""
        return tuple(
            self.folder / name for name in sorted(self.manifest.files) if name.startswith("scores/")
        )

    @property
    def model(self) -> Path:
        """The bundle of the model that scored."""
        return self.folder / "model"

    @property
    def policy(self) -> Path:
        """The document of the policy that decided."""
        return self.folder / "policy.json"

    @property
    def customers(self) -> Path:
        """Every customer's features, for lookups one by one."""
        return self.folder / "customers.sqlite"

    def verify(self) -> None:
        """Return if every file is as it was published.

        Raises:
            ContractError: Files are missing, cut short, changed, or not in the manifest; all are
                named.
        """
        damage = list(_damage(self.folder, self.manifest))
        if damage:
            raise ContractError(
                f"run {self.run_id} is damaged in {len(damage)} of {len(self.manifest.files)} "
                f"files: {'; '.join(damage)}. Publish again with jobs.publish_snapshot."
            )


@contextmanager
def staging_folder(root: Path) -> Iterator[Path]:
    """An empty folder to fill, for one publisher at a time; strays of killed ones are swept.

    The folder is gone when the block ends, published or not. No two publishers ever have a folder
    of one name: tasks of a killed one may write on for a while.
    """
    staging = root / _STAGING
    with publishing(root):
        shutil.rmtree(staging, ignore_errors=True)
        try:
            folder = staging / uuid.uuid4().hex
            folder.mkdir(parents=True)
            yield folder
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def publishing(root: Path) -> Iterator[None]:
    """Be the only one who changes runs or pointer; the lock dies with its holder.

    Raises:
        ContractError: Somebody else is at it.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ContractError(
                f"another job is publishing to {root} at this moment. Run this one again when the "
                "other has ended."
            ) from None
        yield


def publish(root: Path, staged: Path, facts: Facts) -> Snapshot:
    """Seal a folder from ``staging_folder``, put it among the runs and point readers to it."""
    snapshot = place(root, staged, facts)
    point_to(root, snapshot.run_id)
    return snapshot


def place(root: Path, staged: Path, facts: Facts) -> Snapshot:
    """Seal a folder from ``staging_folder`` and put it among the runs; readers stay where they are.

    The same content published again is the same run; a run that was damaged since is replaced.
    """
    manifest = seal_folder(staged, facts)
    folder = root / _RUNS / manifest.run_id
    folder.parent.mkdir(exist_ok=True)
    if not _is_whole(folder, manifest):
        if folder.exists():
            folder.rename(staged.with_name(f"{staged.name}.damaged"))
        staged.rename(folder)
        sync(folder.parent)
    return Snapshot(folder, manifest)


def run_of(root: Path, run_id: str) -> Snapshot:
    """A run by its name, whether or not readers use it.

    Raises:
        ContractError: There is none of this name, or its manifest was damaged.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise ContractError(f"{run_id[:40]!r} is no name of a run. See {root / _RUNS}.")
    folder = root / _RUNS / run_id
    return Snapshot(folder, read_manifest(folder))


def run_ids(root: Path) -> list[str]:
    """Every run that is kept, by day."""
    return sorted(path.name for path in (root / _RUNS).glob("*") if _RUN_ID.fullmatch(path.name))


def remove_run(root: Path, run_id: str) -> None:
    """Delete a run. It leaves its place as a whole first, so that nobody opens half of it."""
    grave = root / _STAGING / f"{uuid.uuid4().hex}.removed"
    grave.parent.mkdir(exist_ok=True)
    (root / _RUNS / run_id).rename(grave)
    shutil.rmtree(grave)


def current(root: Path) -> Snapshot:
    """The run that readers use now.

    Raises:
        ModelNotReadyError: Nothing has been published yet.
        ContractError: The pointer or the manifest it leads to was damaged.
    """
    pointer = root / _POINTER
    if not pointer.is_file():
        raise ModelNotReadyError(
            f"nothing is published in {root}. Run `make demo`, or the jobs up to "
            "jobs.publish_snapshot with your config."
        )
    run_id = pointer.read_text(encoding="utf-8", errors="replace").strip()
    if not _RUN_ID.fullmatch(run_id):
        raise ContractError(
            f"{pointer} holds {run_id[:40]!r}, which is no run. Publish again with "
            "jobs.publish_snapshot."
        )
    folder = root / _RUNS / run_id
    return Snapshot(folder, read_manifest(folder))


def point_to(root: Path, run_id: str) -> None:
    """Move the pointer, by a rename that is there or not, and through to the disk."""
    beside = root / f".{_POINTER}.next"
    beside.write_text(f"{run_id}\n", encoding="utf-8")
    sync(beside)
    beside.replace(root / _POINTER)
    sync(root)


def _is_whole(folder: Path, manifest: Manifest) -> bool:
    """Whether this very run stands already, undamaged."""
    try:
        return read_manifest(folder) == manifest and not any(_damage(folder, manifest))
    except ContractError:
        return False


def _damage(folder: Path, manifest: Manifest) -> Iterator[str]:
    for name, seal in sorted(manifest.files.items()):
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif path.stat().st_size != seal.n_bytes:
            yield f"{name} has {path.stat().st_size} of {seal.n_bytes} bytes"
        elif seal_of(path) != seal:
            yield f"{name} has changed"
    for name in sorted(set(files_in(folder)).difference(manifest.files)):
        yield f"{name} is not in the manifest"
