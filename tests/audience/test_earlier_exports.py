"""Exports that look back at earlier ones, and at who asked to be left alone."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.audience.builders import rows_of, write
from tests.serving.builders import publish_run
from uplift.audience.export import preview
from uplift.audience.shelf import MEMBERS
from uplift.audience.snapshot import Snapshot
from uplift.audience.source import Source
from uplift.config import Audience, Order
from uplift.errors import ContractError


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return publish_run(tmp_path_factory.mktemp("published"))


def test_a_suppressed_customer_is_in_no_file_of_any_kind(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    before = write(Source(snapshot), tmp_path)
    gone = rows_of(before)[0]["unit_id"]
    source = Source(snapshot, suppressed=(gone,))
    for changed in ({}, {"since": before.export_id}, {"format": "parquet"}, {"format": "jsonl"}):
        written = write(source, tmp_path, **changed)
        assert written.export_id != before.export_id
        assert gone.encode() not in written.file.read_bytes()
        assert gone not in pq.read_table(written.file.with_name(MEMBERS))["unit_id"].to_pylist()
    assert write(source, tmp_path).rows == before.rows - 1


def test_who_got_an_earlier_file_can_be_left_out(snapshot: Snapshot, tmp_path: Path) -> None:
    best = write(Source(snapshot), tmp_path, audience=Audience(top_n=20))
    rest = write(Source(snapshot), tmp_path, audience=Audience(top_n=30, exclude=(best.export_id,)))

    ids = {row["unit_id"] for row in rows_of(best)}
    assert rest.rows == 30
    assert ids.isdisjoint(row["unit_id"] for row in rows_of(rest))


def test_a_preview_counts_the_overlap_with_earlier_files(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    best = write(Source(snapshot), tmp_path, audience=Audience(top_n=20))
    all_of_them = Order(audience=Audience())
    found = preview(Source(snapshot), all_of_them, tmp_path, compare_with=[best.export_id])
    assert found.overlap == {best.export_id: 20}


def test_a_difference_names_added_changed_and_removed_customers(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    attributes = tmp_path / "tier.csv"
    ids = [row["unit_id"] for row in rows_of(write(Source(snapshot), tmp_path))][:10]
    attributes.write_text("unit_id,tier\n" + "".join(f"{i},gold\n" for i in ids[:6]))
    source, columns = Source(snapshot, attributes), ("unit_id", "tier")
    among = {"where": {"unit_id": {"any_of": ids[:8]}}}
    before = write(source, tmp_path, columns=columns, audience=among)
    attributes.write_text(
        "unit_id,tier\n" + "".join(f"{i},gold\n" for i in ids[:5]) + f"{ids[5]},silver\n"
    )
    among = {"where": {"unit_id": {"any_of": ids[2:]}}}
    after = write(source, tmp_path, columns=columns, audience=among, since=before.export_id)

    assert [tuple(row.values()) for row in rows_of(after)] == [
        *[("added", unit_id, "") for unit_id in sorted(ids[8:])],
        ("changed", ids[5], "silver"),
        *[("removed", unit_id, "") for unit_id in sorted(ids[:2])],
    ]
    again = write(source, tmp_path, columns=columns, audience=among, since=after.export_id)
    assert again.rows == 0  # who is in it now is remembered, not what had changed


def test_since_an_export_of_other_columns_cannot_be_told(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    before = write(Source(snapshot), tmp_path, columns=("unit_id",))
    with pytest.raises(ContractError, match=r"has the columns \['unit_id'\], this one would have"):
        write(Source(snapshot), tmp_path, since=before.export_id)


def test_since_an_export_of_another_duckdb_cannot_be_told(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    before = write(Source(snapshot), tmp_path)
    document = json.loads(before.manifest.read_text())
    before.manifest.write_text(json.dumps({**document, "duckdb": "0.1"}))
    with pytest.raises(ContractError, match=r"written with DuckDB 0\.1, this is"):
        write(Source(snapshot), tmp_path, since=before.export_id)
