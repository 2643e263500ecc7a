"""Write an audience file, and beside it where it comes from and what it should bring."""

import os
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from uplift.audience.formats import WRITERS
from uplift.audience.manifest import seal_of, sync
from uplift.audience.query import Outlook, open_segment, outlook
from uplift.audience.snapshot import Snapshot
from uplift.workspace import write_document


@dataclass(frozen=True)
class Export:
    """A written audience file.

    Attributes:
        path: The file.
        provenance: The JSON document beside it.
        rows: Customers in the file; 0 leaves a file with nothing but its header.
        outlook: What the audience should bring.
    """

    path: Path
    provenance: Path
    rows: int
    outlook: Outlook


def export_segment(snapshot: Snapshot, segment: str, *, file_format: str, folder: Path) -> Export:
    """Write the reachable customers of a segment to ``<segment>-<run_id>.<format>``.

    The same run gives the same bytes. A reader sees the old file or the new one. The name says
    nothing of the campaign: ad platforms read file names.
    """
    expected = outlook(snapshot, segment)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{segment}-{snapshot.run_id}.{file_format}"
    staged = folder / f".{path.name}.{uuid.uuid4().hex}"
    try:
        with open_segment(snapshot, segment) as batches:
            written = WRITERS[file_format](batches.schema, batches, staged)
        sync(staged)
        os.replace(staged, path)
    finally:
        staged.unlink(missing_ok=True)
    provenance = path.with_name(f"{path.name}.json")
    write_document(
        provenance,
        {
            "file": path.name,
            "sha256": seal_of(path).sha256,
            "rows": written.rows,
            "guarded_cells": written.guarded_cells,
            "segment": segment,
            "left_out": ["holdout", "not contactable"],
            "run_id": snapshot.run_id,
            "campaign_id": snapshot.facts.campaign_id,
            "as_of": snapshot.facts.as_of.isoformat(),
            "model_version": snapshot.facts.model_version,
            "policy_version": snapshot.facts.policy_version,
            "expected_as_decided": asdict(expected.as_decided),
            "expected_with_best_coupon": asdict(expected.with_best_coupon),
        },
    )
    return Export(path, provenance, written.rows, expected)
