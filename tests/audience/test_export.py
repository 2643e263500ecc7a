import csv
import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.serving.builders import customers, policy, publish_run
from uplift.audience.export import export_segment
from uplift.audience.query import outlook
from uplift.audience.snapshot import Snapshot
from uplift.errors import ContractError


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return publish_run(tmp_path_factory.mktemp("published"))


def test_csv_and_parquet_hold_the_same_customers_in_the_same_order(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    as_csv = export_segment(snapshot, "persuadable", file_format="csv", folder=tmp_path)
    as_parquet = export_segment(snapshot, "persuadable", file_format="parquet", folder=tmp_path)

    with as_csv.path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    table = pq.read_table(as_parquet.path)
    assert as_csv.rows == as_parquet.rows == len(rows) == table.num_rows > 0
    assert [row["unit_id"] for row in rows] == table["unit_id"].to_pylist()
    assert [float(row["uplift_coupon_5"]) for row in rows] == table["uplift_coupon_5"].to_pylist()


def test_the_file_is_named_for_segment_and_run_and_nothing_else(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    export = export_segment(snapshot, "lost_cause", file_format="csv", folder=tmp_path / "new")

    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        f"lost_cause-{snapshot.run_id}.csv",
        f"lost_cause-{snapshot.run_id}.csv.json",
    ]
    assert export.path.name == f"lost_cause-{snapshot.run_id}.csv"


def test_the_document_beside_tells_the_source_the_checksum_and_what_to_expect(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    export = export_segment(snapshot, "persuadable", file_format="csv", folder=tmp_path)

    found = json.loads(export.provenance.read_text())
    assert found["sha256"] == hashlib.sha256(export.path.read_bytes()).hexdigest()
    assert found["rows"] == export.rows == outlook(snapshot, "persuadable").customers
    assert found["run_id"] == snapshot.run_id
    assert found["policy_version"] == policy().version
    assert found["model_version"] == policy().model_version
    assert found["expected_with_best_coupon"]["offers"] == export.rows
    assert found["expected_as_decided"]["offers"] < export.rows  # the budget does not reach all


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_the_same_run_gives_the_same_bytes(
    snapshot: Snapshot, tmp_path: Path, file_format: str
) -> None:
    first = export_segment(snapshot, "sure_thing", file_format=file_format, folder=tmp_path / "a")
    again = export_segment(snapshot, "sure_thing", file_format=file_format, folder=tmp_path / "b")

    assert first.path.read_bytes() == again.path.read_bytes()
    assert first.provenance.read_bytes() == again.provenance.read_bytes()


def test_ids_that_look_like_formulas_are_guarded_in_csv_and_counted(tmp_path: Path) -> None:
    features = customers(40)
    ids = [f"=cmd|{i}" for i in range(features.num_rows)]
    snapshot = publish_run(tmp_path, features.set_column(0, "unit_id", pa.array(ids)))

    export = export_segment(snapshot, "persuadable", file_format="csv", folder=tmp_path)

    assert "\"'=cmd|" in export.path.read_text()
    assert '"=cmd|' not in export.path.read_text()
    assert json.loads(export.provenance.read_text())["guarded_cells"] == export.rows > 0


def test_an_empty_segment_gives_a_file_with_its_header_alone(tmp_path: Path) -> None:
    table = customers()
    young = table.filter(pa.compute.less(table["age"], 40))  # no sure thing, no sleeping dog
    snapshot = publish_run(tmp_path, young)

    export = export_segment(snapshot, "sleeping_dog", file_format="csv", folder=tmp_path)

    assert export.rows == 0
    assert export.path.read_text().startswith('"unit_id","segment"')
    assert export.path.read_text().count("\n") == 1
    assert export.outlook.as_decided.offers == 0


def test_a_failed_export_leaves_no_half_file(snapshot: Snapshot, tmp_path: Path) -> None:
    taken = tmp_path / f"persuadable-{snapshot.run_id}.csv"
    taken.mkdir()

    with pytest.raises(IsADirectoryError):
        export_segment(snapshot, "persuadable", file_format="csv", folder=tmp_path)

    assert list(tmp_path.iterdir()) == [taken]


def test_an_unknown_segment_leaves_no_file(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="unknown segment 'loyal'"):
        export_segment(snapshot, "loyal", file_format="csv", folder=tmp_path)

    assert list(tmp_path.iterdir()) == []
