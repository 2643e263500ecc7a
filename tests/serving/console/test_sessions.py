"""Who may look: a key for a cookie, and what a cookie is worth afterwards."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.console.session import COOKIE, HOURS, Sessions
from serving.keys import KeyRing, make_key, read_keys, revoke_key
from tests.serving.builders import office
from uplift.workspace import Workspace


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def keys(root: Path) -> dict[str, str]:
    path = Workspace(root).keys
    return {
        "export": make_key(path, ["export"]),
        "other": make_key(path, ["export"]),
        "decide": make_key(path, ["decide"]),
    }


@pytest.fixture(scope="module")
def served(root: Path, keys: dict[str, str]) -> Iterator[TestClient]:
    with TestClient(create_app(office(root)), follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(served: TestClient) -> TestClient:
    served.cookies.clear()
    return served


def sign_in(client: TestClient, key: str) -> None:
    answer = client.post("/console/sign-in", data={"key": f" {key} "})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/tonight")


def token(client: TestClient) -> str:
    found = re.search(r'name="form_token" value="(\w+)"', client.get("/console/tonight").text)
    assert found
    return found[1]


def test_a_key_opens_the_pages_until_one_signs_out(
    client: TestClient, keys: dict[str, str]
) -> None:
    sign_in(client, keys["export"])
    assert client.get("/console/tonight").status_code == 200
    answer = client.post("/console/sign-out", data={"form_token": token(client)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")
    assert COOKIE not in client.cookies
    assert client.get("/console/tonight").status_code == 303


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(
    client: TestClient, keys: dict[str, str]
) -> None:
    answer = client.post("/console/sign-in", data={"key": keys["export"]})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/console" in cookie
    assert keys["export"].split("_")[2].lower() not in cookie


@pytest.mark.parametrize("key", ["", "upk_none_none", "decide", "\u00fc", "x" * 5000])
def test_a_key_that_is_not_good_for_exports_opens_nothing(
    client: TestClient, keys: dict[str, str], key: str
) -> None:
    answer = client.post("/console/sign-in", data={"key": keys.get(key, key)})
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text
    assert COOKIE not in answer.cookies


PATHS = [
    "/console/tonight",
    "/console/audience",
    "/console/audience?part=preview",
    "/console/audience/files",
    "/console/audience/files/abc",
    "/console/budget",
    "/console/model",
    "/console/reports/evaluation",
    "/console/customer?id=u001",
    "/console/nothing",
]


@pytest.mark.parametrize("path", PATHS)
def test_who_has_not_signed_in_is_led_to_where_one_does(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")
    assert answer.content == b""


@pytest.mark.parametrize(
    "cookie", ["", ".", "a.b.c", "a.9999999999.00", "x" * 4000, "a.\u00fc.b", "a.-1."]
)
def test_a_made_up_cookie_opens_nothing(client: TestClient, cookie: str) -> None:
    headers = {"cookie": f"{COOKIE}={cookie}".encode("latin-1")}
    answer = client.get("/console/tonight", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")


def test_a_cookie_with_another_end_or_another_key_opens_nothing(
    client: TestClient, keys: dict[str, str]
) -> None:
    sign_in(client, keys["export"])
    key_id, ends, seal = client.cookies[COOKIE].split(".")
    for forged in (f"{key_id}.{int(ends) + 1}.{seal}", f"{'0' * len(key_id)}.{ends}.{seal}"):
        client.cookies.clear()
        answer = client.get("/console/tonight", headers={"cookie": f"{COOKIE}={forged}"})
        assert answer.status_code == 303


@pytest.mark.parametrize("path", ["/console/audience", "/console/sign-out"])
@pytest.mark.parametrize(
    ("sent", "headers"),
    [
        ({}, {}),
        ({"form_token": "0" * 64}, {}),
        ({"form_token": "\u00fc"}, {}),
        ({"form_token": "own"}, {"sec-fetch-site": "cross-site"}),
        ({"form_token": "own"}, {"sec-fetch-site": "same-site"}),
    ],
)
def test_a_form_of_another_site_is_refused(
    client: TestClient,
    keys: dict[str, str],
    path: str,
    sent: dict[str, str],
    headers: dict[str, str],
) -> None:
    sign_in(client, keys["export"])
    own = {name: token(client) if value == "own" else value for name, value in sent.items()}
    answer = client.post(path, data=own, headers=headers)
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text
    assert client.get("/console/tonight").status_code == 200


def test_another_sessions_form_token_is_worth_nothing(
    client: TestClient, keys: dict[str, str]
) -> None:
    sign_in(client, keys["export"])
    theirs = token(client)
    client.cookies.clear()
    sign_in(client, keys["other"])
    assert client.post("/console/sign-out", data={"form_token": theirs}).status_code == 403


def test_a_revoked_keys_cookie_is_worth_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = make_key(path, ["export"])
    sessions = Sessions(tmp_path / "secret", KeyRing(path))
    cookie = sessions.sign_in(key)
    assert cookie is not None
    assert sessions.owner(cookie) == read_keys(path)[0].id
    revoke_key(path, read_keys(path)[0].id)
    assert Sessions(tmp_path / "secret", KeyRing(path)).owner(cookie) is None


def test_a_cookie_ends(tmp_path: Path) -> None:
    path, now = tmp_path / "keys.json", [1000.0]
    key = make_key(path, ["export"])
    sessions = Sessions(tmp_path / "secret", KeyRing(path), clock=lambda: now[0])
    cookie = sessions.sign_in(key) or ""
    now[0] += HOURS * 3600
    assert sessions.owner(cookie) is not None
    now[0] += 1
    assert sessions.owner(cookie) is None


def test_replicas_that_share_a_workspace_accept_each_others_cookies(tmp_path: Path) -> None:
    key = make_key(tmp_path / "keys.json", ["export"])
    one, other, foreign = (
        Sessions(tmp_path / secret, KeyRing(tmp_path / "keys.json")) for secret in ("a", "a", "b")
    )
    cookie = one.sign_in(key) or ""
    assert other.owner(cookie) == one.owner(cookie) is not None
    assert foreign.owner(cookie) is None
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0
