import gzip
import hashlib
import json
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.audience.builders import AT, PERSUADABLE, RULES, rows_of, write
from tests.conftest import ROOT
from tests.serving.builders import customers, policy, publish_run
from uplift.audience import audit
from uplift.audience.export import AUDIT, first_customer, preview, write_export
from uplift.audience.shelf import exports_in, read_export
from uplift.audience.snapshot import Snapshot
from uplift.audience.source import Source, opened, progress_of, stop_query
from uplift.config import Audience, Export, Order, Range, load_config
from uplift.errors import ContractError


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return publish_run(tmp_path_factory.mktemp("published"))


def rounded(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [
        {
            name: round(value, 12) if isinstance(value, float) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def test_every_format_holds_the_same_customers_in_the_same_order(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    source = Source(snapshot)
    plain = write(source, tmp_path)
    packed = write(source, tmp_path, gzip=True)
    excel = write(source, tmp_path, format="excel")
    parquet = pq.read_table(write(source, tmp_path, format="parquet").file).to_pylist()
    book = openpyxl.load_workbook(write(source, tmp_path, format="xlsx").file, read_only=True)
    head, *cells = book.worksheets[0].iter_rows(values_only=True)
    lines = write(source, tmp_path, format="jsonl").file.read_text().splitlines()

    rows = rows_of(plain)
    assert len(rows) == plain.rows == plain.outlook.customers > 40
    assert gzip.decompress(packed.file.read_bytes()) == plain.file.read_bytes()
    assert excel.file.read_bytes() == b"\xef\xbb\xbf" + plain.file.read_bytes()
    assert [json.loads(line) for line in lines] == parquet
    workbook = [dict(zip(head, row, strict=True)) for row in cells]
    assert rounded(workbook) == rounded(parquet)  # a workbook holds 16 digits of a number
    for row, exact in zip(rows, parquet, strict=True):
        assert row["unit_id"] == exact["unit_id"]
        assert float(row["uplift_coupon_5"]) == exact["uplift_coupon_5"]
        assert float(row["net_value_eur"]) == exact["net_value_eur"]


@pytest.mark.parametrize("file_format", ["csv", "excel", "parquet", "jsonl"])
def test_the_same_order_of_the_same_run_is_the_same_export_with_the_same_bytes(
    snapshot: Snapshot, tmp_path: Path, file_format: str
) -> None:
    first = write(Source(snapshot), tmp_path / "a", format=file_format)
    again = write(Source(snapshot), tmp_path / "b", format=file_format)
    over = write(Source(snapshot), tmp_path / "a", format=file_format)

    assert first.export_id == again.export_id == over.export_id
    assert first.file.read_bytes() == again.file.read_bytes()
    assert exports_in(tmp_path / "a") == [first.export_id]


def test_the_manifest_tells_the_source_the_checksum_and_what_to_expect(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    written = write(Source(snapshot), tmp_path)

    found = json.loads(written.manifest.read_text())
    assert found["sha256"] == hashlib.sha256(written.file.read_bytes()).hexdigest()
    assert found["bytes"] == written.file.stat().st_size
    assert (
        found["rows"]
        == written.rows
        == preview(Source(snapshot), Order(audience=PERSUADABLE), tmp_path).customers
    )
    assert found["run_id"] == snapshot.run_id
    assert found["policy_version"] == policy().version
    assert found["model_version"] == policy().model_version
    assert found["order"]["audience"]["segments"] == ["persuadable"]
    assert found["left_out"] == ["not contactable", "suppressed", "holdout"]
    assert (found["by"], found["at"]) == ("test", AT.isoformat())
    assert found["expected"]["with_best_coupon"]["offers"] == written.rows
    assert found["expected"]["as_decided"]["offers"] < written.rows  # the budget is short
    meaning = {column["name"]: column["meaning"] for column in found["columns"]}
    assert list(meaning) == list(rows_of(written)[0])
    assert meaning["uplift_coupon_5"] == "effect of coupon_5 on the chance of converting"
    assert read_export(tmp_path, written.export_id) == written


def test_every_export_is_in_the_audit_log(snapshot: Snapshot, tmp_path: Path) -> None:
    written = write(Source(snapshot), tmp_path)
    write(Source(snapshot), tmp_path, format="parquet")

    first, second = audit.entries(tmp_path / AUDIT)
    assert (first["action"], first["by"], first["rows"]) == ("export.written", "test", written.rows)
    assert first["sha256"] == hashlib.sha256(written.file.read_bytes()).hexdigest()
    assert second["previous"] == first["digest"]


def test_columns_are_those_asked_for_in_that_order(snapshot: Snapshot, tmp_path: Path) -> None:
    attributes = tmp_path / "customers.parquet"
    pq.write_table(customers().select(["unit_id", "city"]), attributes)
    written = write(Source(snapshot, attributes), tmp_path, columns=("city", "unit_id", "decision"))

    assert list(rows_of(written)[0]) == ["city", "unit_id", "decision"]
    known = {row["unit_id"]: row["city"] or "" for row in customers().to_pylist()}
    assert all(row["city"] == known[row["unit_id"]] for row in rows_of(written))


def test_an_unknown_column_leaves_nothing_behind(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"'uplift_coupon_05' \(did you mean 'uplift_coupon_5'"):
        write(Source(snapshot), tmp_path, columns=("unit_id", "uplift_coupon_05"))

    assert list(tmp_path.iterdir()) == []


def test_ids_that_look_like_formulas_are_guarded_in_csv_and_stay_text_in_a_workbook(
    tmp_path: Path,
) -> None:
    features = customers(60)
    starts = ["=cmd|", "+1-", "-2", "@SUM(", "\tx", "\rx", "plain", "a=b"]
    ids = [f"{starts[i % len(starts)]}{i}" for i in range(features.num_rows)]
    snapshot = publish_run(tmp_path, features.set_column(0, "unit_id", pa.array(ids)))
    written = write(Source(snapshot), tmp_path)

    found = [row["unit_id"] for row in rows_of(written)]
    exact = pq.read_table(write(Source(snapshot), tmp_path, format="parquet").file)
    for cell, unit_id in zip(found, exact["unit_id"].to_pylist(), strict=True):
        is_formula = unit_id[0] in "=+-@\t\r"
        assert cell == ("'" + unit_id if is_formula else unit_id)
    n_guarded = sum(cell.startswith("'") for cell in found)
    assert json.loads(written.manifest.read_text())["guarded_cells"] == n_guarded > 3
    assert any(float(row["uplift_coupon_10"]) > 0 for row in rows_of(written))
    book = openpyxl.load_workbook(write(Source(snapshot), tmp_path, format="xlsx").file)
    cells = [row[0] for row in book.worksheets[0].iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells} == {"s"}


def test_negative_effects_stay_numbers(snapshot: Snapshot, tmp_path: Path) -> None:
    dogs = write(Source(snapshot), tmp_path, audience=Audience(segments=("sleeping_dog",)))
    assert all(float(row["uplift_coupon_5"]) == pytest.approx(-0.1) for row in rows_of(dogs))


def test_an_empty_audience_gives_a_file_with_its_header_alone(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    nobody = Audience(net_value_eur=Range(min=1e9))
    for file_format in ("csv", "xlsx", "parquet", "jsonl"):
        assert write(Source(snapshot), tmp_path, audience=nobody, format=file_format).rows == 0
    written = write(Source(snapshot), tmp_path, audience=nobody)
    assert written.file.read_text().startswith('"unit_id","segment","evidence",decile')
    assert written.file.read_text().count("\n") == 1
    assert written.outlook.as_decided.offers == 0


def test_too_small_an_audience_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    rules = Export(orders=(), minimum_customers=50)
    with pytest.raises(ContractError, match="has 3 customers, fewer than the 50"):
        write(Source(snapshot), tmp_path, rules, audience=Audience(top_n=3))
    assert exports_in(tmp_path) == []


@pytest.mark.parametrize("export_id", ["nothing", "../secret", "/etc", ""])
def test_an_export_that_is_none_is_said_so(
    snapshot: Snapshot, tmp_path: Path, export_id: str
) -> None:
    with pytest.raises(ContractError, match="there is no export"):
        read_export(tmp_path, export_id)
    with pytest.raises(ContractError, match="there is no export"):
        write(Source(snapshot), tmp_path, audience=Audience(exclude=(export_id,)))


def test_a_failed_export_leaves_the_earlier_one_and_no_half_file(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    written = write(Source(snapshot), tmp_path)
    content = written.file.read_bytes()

    def interrupt(connection: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_export(
            Source(snapshot),
            Order(audience=PERSUADABLE),
            tmp_path,
            rules=RULES,
            by="test",
            at=AT,
            watch=interrupt,
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == [written.export_id, AUDIT]
    assert written.file.read_bytes() == content


def test_the_first_customer_is_the_most_valuable(snapshot: Snapshot, tmp_path: Path) -> None:
    source = Source(snapshot)
    first = first_customer(source, Order(audience=PERSUADABLE), tmp_path)
    assert first == rows_of(write(source, tmp_path))[0]["unit_id"]
    nobody = Order(audience=Audience(net_value_eur=Range(min=1e9)))
    assert first_customer(source, nobody, tmp_path) is None


def test_the_shipped_order_is_the_persuadable_customers() -> None:
    config = load_config([ROOT / "conf/base.yaml", ROOT / "conf/campaigns/coupon.yaml"])
    (order,) = config.export.orders
    assert (order.name, order.audience, order.format) == ("persuadable", PERSUADABLE, "csv")


def test_a_connection_that_has_just_closed_is_neither_stopped_nor_asked(snapshot: Snapshot) -> None:
    with opened(Source(snapshot)) as connection:
        assert 0.0 <= progress_of(connection) <= 1.0
    stop_query(connection)
    assert progress_of(connection) == 1.0
