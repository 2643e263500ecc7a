"""A published run small enough to check by head, and exports of it."""

import csv
from datetime import UTC, datetime
from pathlib import Path

from uplift.audience.export import write_export
from uplift.audience.manifest import Facts, SegmentSize
from uplift.audience.shelf import Written
from uplift.audience.snapshot import Snapshot, publish, staging_folder
from uplift.audience.source import Source
from uplift.config import Audience, Export, Order

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


AT = datetime(2026, 6, 2, 9, tzinfo=UTC)
RULES = Export(orders=())
PERSUADABLE = Audience(segments=("persuadable",))


def write(source: Source, folder: Path, rules: Export = RULES, **order: object) -> Written:
    """An export of the persuadable customers, or what ``order`` changes of that."""
    whole = Order.model_validate({"audience": PERSUADABLE, **order})
    return write_export(source, whole, folder, rules=rules, by="test", at=AT)


def rows_of(written: Written) -> list[dict[str, str]]:
    """The rows of a CSV file, by column."""
    with written.file.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
