"""Whatever comes over the wire: an answer, or a 4xx that names the culprit. Never a 5xx."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from serving.app import create_app
from serving.schemas import DecisionResponse, Problem
from tests.serving.builders import office

JSON = {"content-type": "application/json"}
SOME = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])

numbers = st.one_of(
    st.integers(-(10**400), 10**400),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0, -0.0, 5e-324, 1.7e308, 2**63, 10**308]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=20))
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
ids = st.one_of(st.sampled_from(["u000", "u018", "stranger"]), st.text(min_size=1, max_size=260))
features = st.dictionaries(st.one_of(st.sampled_from(["age", "city", "agee"]), st.text()), values)
well_formed = st.fixed_dictionaries(
    {"user_id": ids},
    optional={
        "campaign_id": st.sampled_from(["coupon", "spring", None]),
        "features": features,
        "eligible": st.one_of(
            st.none(), st.lists(st.sampled_from(["coupon_5", "coupon_10", "coupon_7"]), max_size=4)
        ),
        "contactable": st.one_of(st.none(), st.booleans()),
        "explain": st.booleans(),
    },
)
any_body = st.one_of(values, st.dictionaries(st.text(max_size=8), values, max_size=4))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    app = create_app(office(tmp_path_factory.mktemp("workspace"), "serving.limits.lag_ms=1000000"))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def check(client: TestClient, path: str, content: bytes) -> None:
    reply = client.post(path, content=content, headers=JSON)
    if reply.status_code == 200:
        if path == "/v1/decisions":
            DecisionResponse.model_validate(reply.json())
        return
    assert 400 <= reply.status_code < 500, reply.text
    found = Problem.model_validate(reply.json())
    assert found.status == reply.status_code
    assert found.detail


@SOME
@given(body=well_formed)
def test_a_request_of_the_right_shape_is_answered_or_told_what_is_wrong(
    client: TestClient, body: dict[str, object]
) -> None:
    check(client, "/v1/decisions", json.dumps(body).encode())


@SOME
@given(
    body=any_body,
    path=st.sampled_from(["/v1/decisions", "/v1/decisions/batch", "/v1/uplift", "/v1/reload"]),
)
def test_any_json_is_answered_or_told_what_is_wrong(
    client: TestClient, body: object, path: str
) -> None:
    check(client, path, json.dumps(body).encode())


@SOME
@given(content=st.binary(max_size=200))
def test_any_bytes_are_told_what_is_wrong(client: TestClient, content: bytes) -> None:
    check(client, "/v1/decisions", content)


@SOME
@given(items=st.lists(st.one_of(well_formed, any_body), min_size=1, max_size=5))
def test_any_batch_is_answered_item_by_item(client: TestClient, items: list[object]) -> None:
    reply = client.post(
        "/v1/decisions/batch", content=json.dumps({"requests": items}), headers=JSON
    )
    if all(isinstance(item, dict) for item in items):
        assert reply.status_code == 200
        assert len(reply.json()["answers"]) == len(items)
    else:
        assert reply.status_code == 422


@SOME
@given(user_id=st.text(min_size=1, max_size=300))
def test_any_id_in_a_path_is_found_or_not(client: TestClient, user_id: str) -> None:
    reply = client.get(f"/v1/customers/{quote(user_id, safe='', errors='replace')}")

    assert reply.status_code in {200, 404, 422}


def test_chances_match_what_is_seen(client: TestClient) -> None:
    n = 20_000
    bodies = [
        {"user_id": f"guest-{i}", "features": {"age": 30, "city": "Ulm"}, "contactable": True}
        for i in range(n)
    ]
    arms: dict[str, int] = {}
    chances: dict[str, float] = {}
    for start in range(0, n, 1000):
        reply = client.post("/v1/decisions/batch", json={"requests": bodies[start : start + 1000]})
        for answer in reply.json()["answers"]:
            decision = answer["decision"]
            arm = decision["offer"]["treatment"] if decision["offer"] else "no_coupon"
            arms[arm] = arms.get(arm, 0) + 1
            chances[arm] = decision["assignment"]["propensity"]

    assert sum(chances.values()) == pytest.approx(1.0)
    for arm, chance in chances.items():  # four standard errors of a share
        assert abs(arms[arm] / n - chance) < 4 * (chance * (1 - chance) / n) ** 0.5
