"""The service looks customers up in a real Redis: the same answers, and none without it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from tests.online.test_ledger import redis_server
from tests.serving.builders import ARMS, customers, model, office, publish_run, wide
from uplift.audience.snapshot import Snapshot
from uplift.errors import UpliftError
from uplift.online.redis_client import connect
from uplift.online.redis_versions import RedisVersions
from uplift.online.sqlite import SqliteStore
from uplift.workspace import Workspace


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with redis_server(tmp_path) as (where, _):
        yield where


def filled(url: str, snapshot: Snapshot) -> None:
    """The run's customers in Redis, as the night loads them."""
    versions = RedisVersions(connect(url, timeout_seconds=2.0), "coupon")
    store = SqliteStore(snapshot.customers)
    rows = list(store.rows())
    version = versions.begin(snapshot.run_id, features=store.names, customers=len(rows))
    versions.fill(snapshot.run_id, version, rows)
    versions.swap(snapshot.run_id, version, keep_seconds=100)
    store.close()


def settings(url: str) -> tuple[str, ...]:
    return ("online.store=redis", f"online.redis.url={url}")


def test_answers_are_those_of_the_batch(url: str, tmp_path: Path) -> None:
    filled(url, publish_run(Workspace(tmp_path).published))
    opened = office(tmp_path, *settings(url))
    assert opened.desk.service.store.is_remote
    with TestClient(create_app(opened)) as client:
        for row in wide(customers()).to_pylist()[:60]:
            found = client.post("/v1/decisions", json={"user_id": row["unit_id"]}).json()
            offered = found["offer"]["treatment"] if found["offer"] else ARMS.names[0]
            assert (offered, found["reason"]) == (row["decision"], row["reason"])
            assert found["degraded"] == []


def test_a_run_that_redis_does_not_hold_is_refused(url: str, tmp_path: Path) -> None:
    publish_run(Workspace(tmp_path).published)
    with pytest.raises(UpliftError, match="Redis does not hold run"):
        office(tmp_path, *settings(url))


def test_when_redis_goes_the_answer_is_nothing_and_says_why(tmp_path: Path) -> None:
    with redis_server(tmp_path) as (url, process):
        filled(url, publish_run(Workspace(tmp_path).published))
        opened = office(tmp_path, *settings(url))
        with TestClient(create_app(opened), raise_server_exceptions=False) as client:
            process.kill()
            process.wait()
            answer = client.post("/v1/decisions", json={"user_id": "u018"})
    assert answer.status_code == 200
    assert answer.json()["fallback"] == {"code": "STORE_UNAVAILABLE"}
    assert answer.json()["degraded"] == ["store"]
    assert model().version == answer.json()["model"]["version"]
