"""Who asked to be left alone gets nothing from the next request on, and is known to nobody."""

import gzip
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.opening import Office
from tests.serving.builders import customers, office, wide
from uplift.audience.suppression import Suppressions
from uplift.workspace import Workspace


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return office(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def client(opened: Office) -> Iterator[TestClient]:
    with TestClient(create_app(opened), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def given() -> str:
    """A customer who was given a coupon."""
    rows = wide(customers()).to_pylist()
    return next(str(row["unit_id"]) for row in rows if row["reason"] == "net_value")


def tell(client: TestClient, unit_id: str, action: str) -> None:
    body = {"unit_ids": [unit_id], "action": action}
    assert client.post("/v1/suppressions", json=body).json() == {"changed": 1}


def test_a_suppressed_customer_gets_nothing_at_once_and_again_once_it_is_lifted(
    client: TestClient, given: str
) -> None:
    before = client.post("/v1/decisions", json={"user_id": given}).json()
    for _ in range(3):  # changes that follow each other within a tick of the clock are all seen
        tell(client, given, "suppress")
        body = {"user_id": given, "contactable": True, "explain": True}
        held = client.post("/v1/decisions", json=body).json()
        tell(client, given, "lift")
        after = client.post("/v1/decisions", json={"user_id": given}).json()
        assert before["action"] == after["action"] == "offer"
        assert (held["action"], held["offer"], held["reason"]) == ("hold", None, "suppressed")
        assert held["openfeature_reason"] == "DISABLED"
        assert held["assignment"] == {"group": "none", "propensity": 1.0}


def test_nothing_is_said_of_a_suppressed_customer(client: TestClient, given: str) -> None:
    tell(client, given, "suppress")
    held = client.post("/v1/decisions", json={"user_id": given, "explain": True}).json()
    known = client.get(f"/v1/customers/{given}")
    page = client.get("/console/customer", params={"id": given})
    body = {"customers": [{"user_id": given}, {"user_id": "u001"}]}
    effects = client.post("/v1/uplift", json=body).json()["answers"]
    tell(client, given, "lift")
    assert (held["segment"], held["uplift"], held["value"]) == ("unknown", {}, None)
    assert (known.status_code, known.json()["code"]) == (404, "unknown-customer")
    assert page.status_code == 404
    assert effects[0]["problem"]["code"] == "unknown-customer"
    assert effects[1]["problem"] is None
    assert client.get(f"/v1/customers/{given}").status_code == 200


def test_one_of_many_is_left_alone_and_the_others_are_not(client: TestClient, given: str) -> None:
    others = ["u001", "u002"]
    tell(client, given, "suppress")
    body = {"requests": [{"user_id": name} for name in [*others, given]]}
    found = client.post("/v1/decisions/batch", json=body)
    tell(client, given, "lift")
    assert found.status_code == 200, found.text
    reasons = [item["decision"]["reason"] for item in found.json()["answers"]]
    assert [reason == "suppressed" for reason in reasons] == [False, False, True]


def test_another_process_is_heard(opened: Office, client: TestClient, given: str) -> None:
    elsewhere = Suppressions(Workspace(opened.workspace.root).suppressions)
    elsewhere.add([given], since=datetime.now(UTC), reason="asked")
    held = client.post("/v1/decisions", json={"user_id": given}).json()
    elsewhere.remove([given])
    assert held["reason"] == "suppressed"


def test_while_the_list_cannot_be_read_nobody_gets_anything(tmp_path_factory: object) -> None:
    assert isinstance(tmp_path_factory, pytest.TempPathFactory)
    root = tmp_path_factory.mktemp("damaged")
    opened = office(root)
    opened.workspace.suppressions.write_bytes(b"no database, " * 100)
    rows = wide(customers()).to_pylist()
    with TestClient(create_app(opened), raise_server_exceptions=False) as client:
        for row in rows[:5]:
            held = client.post("/v1/decisions", json={"user_id": row["unit_id"]}).json()
            assert (held["action"], held["fallback"]["code"]) == ("hold", "STORE_UNAVAILABLE")
        assert client.get(f"/v1/customers/{rows[0]['unit_id']}").status_code == 503


def names_in(content: bytes, kind: str) -> set[str]:
    """All texts of a file, whatever its format."""
    if kind == "parquet":
        table = pq.read_table(pa.BufferReader(content))
        return set(table["unit_id"].to_pylist())
    if kind == "xlsx":
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True)
        return {str(cell) for sheet in book for row in sheet.values for cell in row}
    text = gzip.decompress(content) if kind == "gzip" else content
    return set(re.findall(r"u\d{3}", text.decode("utf-8-sig")))


@pytest.mark.parametrize("kind", ["csv", "excel", "parquet", "xlsx", "jsonl", "gzip", "since"])
def test_a_suppressed_customer_is_in_no_file_of_any_format_and_in_no_difference(
    client: TestClient, given: str, kind: str
) -> None:
    def export(**order: object) -> dict[str, Any]:
        found: dict[str, Any] = client.post("/v1/exports?wait_seconds=20", json=order).json()
        assert found["state"] == "done", found
        return found

    order: dict[str, object] = {"format": kind}
    if kind == "gzip":
        order = {"format": "csv", "gzip": True}
    if kind == "since":
        order = {"format": "csv"}
    before = export(**order)
    if kind == "since":
        order["since"] = before["export_id"]
    tell(client, given, "suppress")
    after = export(**order)
    tell(client, given, "lift")
    assert given in names_in(client.get(before["file"]).content, kind)
    assert given not in names_in(client.get(after["file"]).content, kind)
