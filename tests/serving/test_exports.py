"""Audiences over HTTP: previewed, written, fetched, cut off and resumed; another key's are none."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving import exporting
from serving.app import create_app
from serving.exporting import ExportDesk, QueueFullError, Request
from serving.keys import make_key
from serving.opening import Office
from tests.serving.builders import customers, office, wide
from uplift.audience import audit, source
from uplift.audience.export import AUDIT
from uplift.config import Audience, Order
from uplift.workspace import Workspace

PERSUADABLE = {"audience": {"segments": ["persuadable"]}}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return office(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def client(opened: Office) -> Iterator[TestClient]:
    with TestClient(create_app(opened), raise_server_exceptions=False) as client:
        yield client


def written(client: TestClient, order: object = PERSUADABLE) -> dict[str, Any]:
    answer = client.post("/v1/exports?wait_seconds=20", json=order)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert (found["state"], found["progress"], found["problem"]) == ("done", 1.0, None)
    assert answer.headers["location"] == f"/v1/exports/{found['id']}"
    return found


def test_a_preview_is_what_the_file_then_holds(client: TestClient) -> None:
    answer = client.post("/v1/audiences/preview", json=PERSUADABLE)
    found = answer.json()
    export = written(client)

    assert answer.status_code == 200
    assert found["customers"] == export["rows"] > 40
    assert found["with_best_coupon"]["offers"] == export["rows"]
    assert 0 < found["as_decided"]["cost_eur"] < found["with_best_coupon"]["cost_eur"]
    again = client.post("/v1/audiences/preview", json=PERSUADABLE).json()
    assert again["overlap"] == {export["export_id"]: export["rows"]}


def test_the_file_is_fetched_with_its_checksum_as_etag(client: TestClient) -> None:
    export = written(client)
    answer = client.get(export["file"])

    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == export["sha256"]
    assert answer.headers["etag"] == f'"{export["sha256"]}"'
    assert len(answer.content) == export["bytes"]
    assert answer.headers["content-disposition"].startswith("attachment")
    unchanged = client.get(export["file"], headers={"if-none-match": answer.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.parametrize("cut", [1, 100, 5000])
def test_a_download_that_broke_off_goes_on(client: TestClient, cut: int) -> None:
    export = written(client)
    whole = client.get(export["file"])
    ahead = {"range": f"bytes={cut}-", "if-range": whole.headers["etag"]}
    rest = client.get(export["file"], headers=ahead)
    assert rest.status_code == 206
    assert whole.content[:cut] + rest.content == whole.content


def test_a_download_of_another_file_starts_anew(client: TestClient) -> None:
    export = written(client)
    stale = client.get(export["file"], headers={"range": "bytes=10-", "if-range": '"other"'})
    assert (stale.status_code, len(stale.content)) == (200, export["bytes"])


def test_the_manifest_tells_where_the_file_comes_from(client: TestClient) -> None:
    export = written(client)
    found = client.get(f"/v1/exports/{export['id']}/manifest").json()
    assert (found["sha256"], found["by"]) == (export["sha256"], "no key")
    assert found["order"]["audience"]["segments"] == ["persuadable"]


def test_exports_are_listed_the_newest_first(client: TestClient) -> None:
    first, second = written(client), written(client, {"format": "parquet"})
    listed = client.get("/v1/exports").json()["exports"]
    assert [export["id"] for export in listed[:2]] == [second["id"], first["id"]]


def test_columns_can_be_looked_up(client: TestClient) -> None:
    found = {one["name"]: one for one in client.get("/v1/columns").json()["columns"]}
    assert found["uplift_coupon_5"]["type"] == "DOUBLE"
    assert found["uplift_coupon_5"]["meaning"].startswith("effect of coupon_5")
    assert set(wide(customers()).column_names) <= set(found)


BAD: dict[str, tuple[object, str, str]] = {
    "an unknown segment": ({"audience": {"segments": ["loyal"]}}, "invalid", "/audience/segments"),
    "an unknown key": ({"audience": {"segment": []}}, "invalid", "/audience/segment"),
    "an unknown column": (
        {"audience": {"where": {"decil": {"max": 2}}}},
        "audience",
        "did you mean 'decile'?",
    ),
    "an unknown column of the file": ({"columns": ["unit"]}, "audience", "'unit'"),
    "a coupon that is none": ({"audience": {"coupons": ["coupon_7"]}}, "audience", "coupon_7"),
    "a budget of nonsense": ({"audience": {"budget_eur": -1}}, "invalid", "/audience/budget_eur"),
    "nobody at all": ({"audience": {"top_n": 0}}, "invalid", "/audience/top_n"),
    "an export that is none": ({"since": "../x"}, "audience", "there is no export"),
    "an empty range": (
        {"audience": {"uplift": {"min": 2, "max": 1}}},
        "invalid",
        "min 2 is above max 1",
    ),
    "a hostile name": ({"name": "../../etc/passwd"}, "invalid", "/name"),
    "a format that is none": ({"format": "docx"}, "invalid", "/format"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_order_that_makes_no_sense_is_refused_with_its_culprit(
    client: TestClient, name: str
) -> None:
    order, code, culprit = BAD[name]
    for path in ("/v1/exports", "/v1/audiences/preview"):
        answer = client.post(path, json=order)
        found = answer.json()
        assert (answer.status_code, found["code"]) == (422, code), found
        assert culprit in found["detail"]


@pytest.mark.parametrize("export_id", ["0" * 32, "..%2F..%2Fetc", "x", "a.b"])
def test_an_export_that_nobody_asked_for_is_unknown(client: TestClient, export_id: str) -> None:
    for path in ("", "/file", "/manifest"):
        assert client.get(f"/v1/exports/{export_id}{path}").status_code == 404
    assert client.delete(f"/v1/exports/{export_id}").status_code == 404


def test_who_is_suppressed_is_in_no_new_file(tmp_path: Path) -> None:
    opened = office(tmp_path)
    with TestClient(create_app(opened)) as client:
        lines = client.get(written(client, {**PERSUADABLE, "format": "jsonl"})["file"]).text
        gone = json.loads(lines.splitlines()[0])["unit_id"]
        body = {"unit_ids": [gone, gone], "reason": "asked by mail"}
        assert client.post("/v1/suppressions", json=body).json() == {"changed": 1}
        after = client.get(written(client, {**PERSUADABLE, "format": "jsonl"})["file"]).text
        assert gone in lines
        assert gone not in after
        lift = {"unit_ids": [gone], "action": "lift"}
        assert client.post("/v1/suppressions", json=lift).json() == {"changed": 1}


def test_another_keys_export_does_not_exist(tmp_path: Path) -> None:
    keys = Workspace(tmp_path).keys
    mine, others, narrow = (
        make_key(keys, scopes=scopes) for scopes in (("export",), ("export",), ("decide",))
    )
    opened = office(tmp_path)
    with TestClient(create_app(opened)) as client:
        client.headers["authorization"] = f"Bearer {mine}"
        export = written(client)
        assert client.get(export["file"]).status_code == 200
        client.headers["authorization"] = f"Bearer {others}"
        for path in (f"/v1/exports/{export['id']}", export["file"]):
            assert client.get(path).status_code == 404
        assert client.get("/v1/exports").json() == {"exports": []}
        client.headers["authorization"] = f"Bearer {narrow}"
        assert client.get(export["file"]).status_code == 403
        assert client.post("/v1/suppressions", json={"unit_ids": ["a"]}).status_code == 403
        del client.headers["authorization"]
        assert client.get(export["file"]).status_code == 401


def test_files_and_downloads_are_in_the_audit_log(tmp_path: Path) -> None:
    opened = office(tmp_path)
    with TestClient(create_app(opened)) as client:
        client.get(written(client)["file"])
    (path,) = tmp_path.rglob(AUDIT)
    assert [entry["action"] for entry in audit.entries(path)] == [
        "export.written",
        "export.downloaded",
    ]


def desk(opened: Office, folder: Path, **settings: int) -> ExportDesk:
    return ExportDesk(folder, opened.exports._source, opened.exports._rules, **settings)


def test_what_was_under_way_when_a_process_ended_is_lost(opened: Office, tmp_path: Path) -> None:
    at_work = desk(opened, tmp_path)
    request = at_work.ask(Order(), owner="")
    at_work.wait(request.id, seconds=20)
    left = Request("a" * 32, "", "2026-06-01T00:00:00", {}, state="running", process=2**22 + 1)
    at_work._note(left)
    assert at_work.find(left.id, owner="").state == "lost"
    assert desk(opened, tmp_path).find(request.id, owner="").state == "done"
    at_work.close()


def test_a_full_queue_says_come_again_and_what_waits_can_be_cancelled(
    opened: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work = desk(opened, tmp_path, most_waiting=2)
    carry_on = tmp_path / "carry_on"

    def slowly(*arguments: object, **settings: object) -> object:
        while not carry_on.exists():
            time.sleep(0.01)
        return real(*arguments, **settings)  # type: ignore[arg-type]

    real = exporting.write_export
    monkeypatch.setattr(exporting, "write_export", slowly)
    first, second = (at_work.ask(Order(), owner="") for _ in range(2))
    with pytest.raises(QueueFullError, match="2 exports are waiting"):
        at_work.ask(Order(), owner="")
    assert at_work.cancel(second.id, owner="").state == "cancelled"
    carry_on.touch()
    at_work.wait(first.id, seconds=20)
    assert at_work.find(first.id, owner="").state == "done"
    at_work.close()


def test_a_running_query_can_be_stopped(opened: Office, tmp_path: Path) -> None:
    """The query is endless unless it is interrupted; nothing is left of the file."""
    at_work = desk(opened, tmp_path)
    real = exporting.write_export

    def endless(source: object, order: object, folder: Path, **settings: Any) -> object:
        def watch(connection: Any) -> None:
            settings_watch(connection)
            connection.execute("SELECT count(*) FROM range(1000000000000) t(i) WHERE i % 7 = 9")

        settings_watch = settings.pop("watch")
        return real(source, order, folder, watch=watch, **settings)  # type: ignore[arg-type]

    exporting.write_export = endless  # type: ignore[assignment]
    try:
        request = at_work.ask(Order(audience=Audience(top_n=1)), owner="")
        while at_work.find(request.id, owner="").state == "queued" or not at_work._connections:
            time.sleep(0.01)
        assert 0.0 <= at_work.progress(request) <= 1.0
        assert at_work.cancel(request.id, owner="").state == "cancelled"
    finally:
        exporting.write_export = real
    assert os.listdir(tmp_path) == ["requests"]
    at_work.close()


def test_a_query_that_ends_while_one_asks_for_its_progress_is_done(
    opened: Office, tmp_path: Path
) -> None:
    at_work = desk(opened, tmp_path)
    request = at_work.ask(Order(), owner="")
    at_work.wait(request.id, seconds=20)
    with source.opened(opened.exports._source()) as connection:
        at_work._connections[request.id] = connection
        assert 0.0 <= at_work.progress(request) < 1.0
    assert at_work.progress(request) == 1.0
    assert at_work.cancel(request.id, owner="").state == "done"
    at_work.close()
