"""The exports that stand: each a folder, there as a whole or not at all.

exports/<export_id>/<name>-<run_id>.<suffix>   the file
                    manifest.json    filter, run, versions, counts, checksum, who and when
                    members.parquet  who is in it, for differences and exclusions
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import duckdb

from uplift.audience.manifest import sync
from uplift.audience.outlook import Outlook
from uplift.errors import ContractError
from uplift.workspace import read_document

MANIFEST, MEMBERS = "manifest.json", "members.parquet"


@dataclass(frozen=True)
class Written:
    """An export that stands.

    Attributes:
        export_id: Its name among all exports.
        file: The file for the marketer.
        rows: Customers in the file; 0 leaves a file with nothing but its header.
        outlook: What the audience should bring.
    """

    export_id: str
    file: Path
    rows: int
    outlook: Outlook

    @property
    def manifest(self) -> Path:
        """The document that tells where the file comes from."""
        return self.file.with_name(MANIFEST)


def read_export(folder: Path, export_id: str) -> Written:
    """An export that was written before.

    Raises:
        ContractError: There is none of that name.
    """
    path = folder / export_id / MANIFEST
    if Path(export_id).name != export_id or not path.is_file():
        raise ContractError(f"there is no export {export_id[:80]!r}.")
    document = read_document(path, made_by="export_segments")
    return Written(
        export_id=export_id,
        file=path.with_name(str(document["file"])),
        rows=int(str(document["rows"])),
        outlook=Outlook.of(cast(Mapping[str, Any], document["expected"])),
    )


def exports_in(folder: Path) -> list[str]:
    """Ids of all exports, the newest first."""
    manifests = sorted(folder.glob(f"*/{MANIFEST}"), key=lambda path: -path.stat().st_mtime_ns)
    return [path.parent.name for path in manifests if not path.parent.name.startswith(".")]


def member_view(
    connection: duckdb.DuckDBPyConnection, folder: Path, export_id: str, view: str
) -> str:
    """A view of the customers of an earlier export."""
    written = read_export(folder, export_id)
    connection.read_parquet(str(written.file.with_name(MEMBERS))).create_view(view)
    return view


def put(staging: Path, place: Path) -> None:
    """Rename the filled folder to its place; what stood there gives way."""
    if place.exists():
        place.rename(staging.with_name(f"{staging.name}.old"))
    staging.rename(place)
    sync(place.parent)
    shutil.rmtree(staging.with_name(f"{staging.name}.old"), ignore_errors=True)
