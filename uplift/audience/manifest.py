"""What a published run says about itself: its facts, and the seal of every file in it.

A manifest is written in one canonical form, and its digest is part of the run's name. So the same
content has the same name, and a manifest that was touched no longer fits its folder.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from uplift.errors import ContractError, VersionMismatchError

MANIFEST = "MANIFEST.json"
FORMAT = 1
_WAY_OUT = "Publish again with jobs.publish_snapshot."


@dataclass(frozen=True)
class SegmentSize:
    """How many customers a segment has, and how many of them get a coupon."""

    customers: int
    offers: int


@dataclass(frozen=True)
class Facts:
    """What a run is about.

    Attributes:
        campaign_id: The campaign whose policy decided.
        as_of: The moment that the features describe.
        model_version: The model that scored.
        policy_version: The policy that decided.
        arms: Names of arms 0..K.
        rows: Rows per table of the run.
        columns: Name and type of each column of the scores.
        segments: Size of every segment.
    """

    campaign_id: str
    as_of: datetime
    model_version: str
    policy_version: str
    arms: tuple[str, ...]
    rows: Mapping[str, int]
    columns: Mapping[str, str]
    segments: Mapping[str, SegmentSize]


@dataclass(frozen=True)
class Seal:
    """Size and SHA-256 of a file."""

    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The facts of a run and the seal of each of its files, by path inside the run's folder."""

    facts: Facts
    files: Mapping[str, Seal]

    @property
    def run_id(self) -> str:
        """Day of the features (UTC), then the first 12 hex digits of the manifest's SHA-256."""
        day = self.facts.as_of.astimezone(UTC)
        return f"{day:%Y%m%d}-{hashlib.sha256(self.to_bytes()).hexdigest()[:12]}"

    def to_bytes(self) -> bytes:
        """The canonical form: sorted keys, two spaces, one newline at the end, no time of day."""
        facts = self.facts
        document = {
            "format": FORMAT,
            "campaign_id": facts.campaign_id,
            "as_of": facts.as_of.astimezone(UTC).isoformat(),
            "model_version": facts.model_version,
            "policy_version": facts.policy_version,
            "arms": list(facts.arms),
            "rows": dict(facts.rows),
            "columns": dict(facts.columns),
            "segments": {
                name: {"customers": size.customers, "offers": size.offers}
                for name, size in facts.segments.items()
            },
            "files": {
                name: {"bytes": seal.n_bytes, "sha256": seal.sha256}
                for name, seal in self.files.items()
            },
        }
        return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def seal_folder(folder: Path, facts: Facts) -> Manifest:
    """Write the manifest of a filled folder, and everything in it through to the disk."""
    names = files_in(folder)
    manifest = Manifest(facts, {name: seal_of(folder / name) for name in names})
    (folder / MANIFEST).write_bytes(manifest.to_bytes())
    for name in [*names, MANIFEST]:
        sync(folder / name)
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            sync(path)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run's folder; one that does not fit the folder's name is refused."""
    path = folder / MANIFEST
    if not path.is_file():
        raise ContractError(f"{path} is missing: the run cannot be trusted. {_WAY_OUT}")
    content = path.read_bytes()
    day, _, digest = folder.name.partition("-")
    found = hashlib.sha256(content).hexdigest()[: len(digest)]
    if not digest or found != digest:
        raise ContractError(
            f"{path} has digest {found!r}, its folder is named for {digest!r} of day {day}: the "
            f"manifest was changed after publishing. {_WAY_OUT}"
        )
    return _parse(json.loads(content), path)


def files_in(folder: Path) -> list[str]:
    """Every file below a folder but its manifest, by path from the folder, sorted."""
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if path != MANIFEST)


def seal_of(path: Path) -> Seal:
    """Size and digest of one file, read in pieces."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Seal(n_bytes=file.tell(), sha256=digest)


def sync(path: Path) -> None:
    """Return when the disk has the file, or the folder's list of names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _parse(document: Mapping[str, object], path: Path) -> Manifest:
    if document.get("format") != FORMAT:
        raise VersionMismatchError(
            f"{path} has format {document.get('format')!r}, this release reads {FORMAT}. {_WAY_OUT}"
        )
    segments = cast(Mapping[str, Mapping[str, int]], document["segments"])
    files = cast(Mapping[str, Mapping[str, object]], document["files"])
    facts = Facts(
        campaign_id=cast(str, document["campaign_id"]),
        as_of=datetime.fromisoformat(cast(str, document["as_of"])),
        model_version=cast(str, document["model_version"]),
        policy_version=cast(str, document["policy_version"]),
        arms=tuple(cast(list[str], document["arms"])),
        rows=cast(Mapping[str, int], document["rows"]),
        columns=cast(Mapping[str, str], document["columns"]),
        segments={
            name: SegmentSize(customers=size["customers"], offers=size["offers"])
            for name, size in segments.items()
        },
    )
    return Manifest(
        facts,
        {
            name: Seal(n_bytes=cast(int, seal["bytes"]), sha256=cast(str, seal["sha256"]))
            for name, seal in files.items()
        },
    )
