import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from tests.serving.builders import office


def test_one_request_too_many_is_told_to_come_again(tmp_path: Path) -> None:
    full = office(tmp_path, "serving.limits.in_flight=3")
    with TestClient(create_app(full)) as client:
        full.traffic.in_flight = 3
        shed = client.post("/v1/decisions", json={"user_id": "u018"})
        assert client.get("/health/live").status_code == 200
        full.traffic.in_flight = 2
        taken = client.post("/v1/decisions", json={"user_id": "u018"})

    assert (shed.status_code, shed.headers["retry-after"]) == (503, "1")
    assert shed.headers["content-type"] == "application/problem+json"
    assert shed.json()["code"] == "busy"
    assert shed.json()["request_id"] == shed.headers["x-request-id"]
    assert taken.status_code == 200
    assert full.traffic.in_flight == 2


def test_a_loop_that_is_far_behind_takes_nothing_more(tmp_path: Path) -> None:
    behind = office(tmp_path, "serving.limits.lag_ms=0.000001")
    with TestClient(create_app(behind)) as client:
        behind.traffic.lag_ms = 1e9
        assert client.post("/v1/decisions", json={"user_id": "u018"}).status_code == 503


@pytest.mark.parametrize(
    ("given", "kept"),
    [("order-7", True), ("a b", False), ("x" * 129, False), ("<script>", False)],
)
def test_a_request_id_is_kept_if_it_is_harmless(tmp_path: Path, given: str, kept: bool) -> None:
    with TestClient(create_app(office(tmp_path))) as client:
        found = client.get("/health/live", headers={"x-request-id": given})

    assert (found.headers["x-request-id"] == given) == kept


def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    app = create_app(office(tmp_path, "serving.limits.body_seconds=0.05"))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60.0)
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/decisions",
        "raw_path": b"/v1/decisions",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    asyncio.run(app(scope, receive, send))

    assert sent[0]["status"] == 408
