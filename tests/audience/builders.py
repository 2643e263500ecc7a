"""A published run small enough to check by head."""

from datetime import UTC, datetime
from pathlib import Path

from uplift.audience.manifest import Facts, SegmentSize
from uplift.audience.snapshot import Snapshot, publish, staging_folder

FACTS = Facts(
    campaign_id="coupon",
    as_of=datetime(2026, 6, 1, tzinfo=UTC),
    model_version="0123456789ab",
    policy_version="ba9876543210",
    arms=("no_coupon", "coupon_5"),
    rows={"scores": 2, "customers": 2},
    columns={"unit_id": "string"},
    segments={"persuadable": SegmentSize(customers=2, offers=1)},
)
FILES = {"scores/part-00000.parquet": b"best", "model/model.json": b"{}", "policy.json": b"[]"}


def publish_files(root: Path, files: dict[str, bytes] | None = None) -> Snapshot:
    """Publish files with this content; the facts stay the same."""
    with staging_folder(root) as folder:
        for name, content in (files or FILES).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return publish(root, folder, FACTS)
