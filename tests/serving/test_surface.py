"""Every endpoint but the single decision: what it answers, to whom, and as its contract says."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.keys import SCOPES, make_key
from serving.opening import Office
from serving.reasons import OPEN_FEATURE, Reason
from serving.schemas import DecisionRequest, DecisionResponse
from tests.serving.builders import customers, model, office, policy, publish_run, wide
from uplift.policy import REASONS
from uplift.workspace import Workspace

SCOPE_OF: Mapping[tuple[str, str], str | None] = {
    ("POST", "/v1/decisions"): "decide",
    ("POST", "/v1/decisions/batch"): "decide",
    ("POST", "/v1/uplift"): "score",
    ("GET", "/v1/customers/{user_id}"): "score",
    ("GET", "/v1/segments"): "export",
    ("GET", "/v1/columns"): "export",
    ("POST", "/v1/audiences/preview"): "export",
    ("POST", "/v1/exports"): "export",
    ("GET", "/v1/exports"): "export",
    ("GET", "/v1/exports/{export_id}"): "export",
    ("DELETE", "/v1/exports/{export_id}"): "export",
    ("GET", "/v1/exports/{export_id}/file"): "export",
    ("GET", "/v1/exports/{export_id}/manifest"): "export",
    ("POST", "/v1/suppressions"): "admin",
    ("POST", "/v1/reload"): "admin",
    ("GET", "/v1/model"): None,
    ("GET", "/v1/policy"): None,
    ("GET", "/metrics"): None,
}
OPEN = {("GET", "/health/live"), ("GET", "/health/ready")}
BODIES: Mapping[str, object] = {
    "/v1/decisions": {"user_id": "u018"},
    "/v1/decisions/batch": {"requests": [{"user_id": "u018"}]},
    "/v1/uplift": {"customers": [{"user_id": "u018"}]},
    "/v1/audiences/preview": {},
    "/v1/exports": {},
    "/v1/suppressions": {"unit_ids": ["u000"]},
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return office(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def client(opened: Office) -> Iterator[TestClient]:
    with TestClient(create_app(opened), raise_server_exceptions=False) as client:
        yield client


def test_the_reasons_are_a_closed_list_that_holds_the_policys_own() -> None:
    assert set(REASONS) <= set(Reason)
    assert set(OPEN_FEATURE) == set(Reason)


def test_a_batch_is_answered_as_its_requests_alone_and_in_their_order(client: TestClient) -> None:
    rows = wide(customers()).to_pylist()
    asked = [{"user_id": row["unit_id"]} for row in rows]

    found = client.post("/v1/decisions/batch", json={"requests": asked}).json()

    assert found["n_problems"] == 0
    for row, answer in zip(rows, found["answers"], strict=True):
        decision = answer["decision"]
        assert decision["user_id"] == row["unit_id"]
        assert decision["reason"] == row["reason"]
        assert decision["assignment"]["propensity"] == row["decision_propensity"]
        DecisionResponse.model_validate(decision)


def test_what_is_wrong_with_one_of_a_batch_does_not_stop_the_others(client: TestClient) -> None:
    asked = [
        {"user_id": "u018"},
        {"user_id": "u018", "agee": 1},
        {"user_id": "u018", "features": {"agee": 1}},
        {"user_id": "u018", "campaign_id": "spring"},
        {"user_id": "u019"},
    ]

    found = client.post("/v1/decisions/batch", json={"requests": asked}).json()

    codes = [a["problem"]["code"] if a["problem"] else None for a in found["answers"]]
    assert codes == [None, "invalid", "feature", "unknown-campaign", None]
    assert found["answers"][1]["problem"]["errors"][0]["pointer"] == "/agee"
    assert found["n_problems"] == 3


def test_a_batch_has_its_own_size(client: TestClient) -> None:
    many = [{"user_id": f"{i:0256}"} for i in range(1000)]

    assert client.post("/v1/decisions/batch", json={"requests": many}).status_code == 200
    too_many = client.post("/v1/decisions/batch", json={"requests": [*many, many[0]]})
    assert (too_many.status_code, too_many.json()["code"]) == (422, "invalid")


def test_only_eligible_coupons_are_given_and_their_chances_say_so(client: TestClient) -> None:
    targeted = next(r for r in wide(customers()).to_pylist() if r["reason"] == "net_value")
    body = {"user_id": targeted["unit_id"], "eligible": ["coupon_10"]}

    found = client.post("/v1/decisions", json=body).json()
    nothing = client.post("/v1/decisions", json={**body, "eligible": []}).json()
    unknown = client.post("/v1/decisions", json={**body, "eligible": ["coupon_7"]})

    assert found["offer"]["treatment"] == "coupon_10"  # worth 0.30 euro at this price
    assert found["assignment"]["propensity"] == pytest.approx(0.9 * (0.9 + 0.1 / 2))
    assert (nothing["action"], nothing["reason"]) == ("hold", "not_eligible")
    assert nothing["assignment"] == {"group": "none", "propensity": 1.0}
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown-coupon")


def test_a_guest_with_every_feature_and_permission_is_decided(client: TestClient) -> None:
    body = {"user_id": "guest", "features": {"age": 30, "city": "Ulm"}, "contactable": True}

    found = client.post("/v1/decisions", json=body).json()
    part = client.post("/v1/decisions", json={**body, "features": {"age": 30}}).json()
    silent = client.post("/v1/decisions", json={**body, "contactable": False}).json()

    assert found["fallback"] is None
    assert found["segment"] == "persuadable"
    assert part["fallback"] == {"code": "USER_UNKNOWN"}
    assert silent["reason"] == "not_contactable"


def test_uplift_scores_without_deciding(client: TestClient, opened: Office) -> None:
    before = opened.desk.log.counts.written + opened.desk.log.waiting
    asked = [
        {"user_id": "u018"},
        {"user_id": "stranger"},
        {"user_id": "u018", "features": {"x": 1}},
    ]

    found = client.post("/v1/uplift", json={"customers": asked}).json()

    row = next(row for row in wide(customers()).to_pylist() if row["unit_id"] == "u018")
    scored, stranger, wrong = found["answers"]
    for name in ("coupon_5", "coupon_10"):
        assert scored["uplift"][name] == row[f"uplift_{name}"]
    assert [value["gain_eur"] for value in scored["values"]] == [
        row["gain_eur_coupon_5"],
        row["gain_eur_coupon_10"],
    ]
    assert scored["type_bounds"]["persuadable"] == {"low": pytest.approx(0.2), "high": 0.3}
    assert (stranger["problem"]["code"], wrong["problem"]["code"]) == (
        "unknown-customer",
        "feature",
    )
    assert opened.desk.log.counts.written + opened.desk.log.waiting == before


def test_a_customer_is_explained_and_the_contributions_add_up(client: TestClient) -> None:
    found = client.get("/v1/customers/u018").json()

    row = next(row for row in customers().to_pylist() if row["unit_id"] == "u018")
    assert found["features"] == {"age": row["age"], "city": row["city"]}
    for name, parts in found["contributions"].items():
        total = found["usual_uplift"][name] + sum(parts.values())
        assert total == pytest.approx(found["uplift"][name])
    assert client.get("/v1/customers/stranger").json()["code"] == "unknown-customer"


def test_model_and_policy_tell_what_decides(client: TestClient) -> None:
    told, priced = client.get("/v1/model").json(), client.get("/v1/policy").json()

    assert told["version"] == priced["model_version"] == model().version
    assert [f["name"] for f in told["features"]] == ["age", "city"]
    assert priced["version"] == policy().version
    assert priced["shadow_price"] == 1.0
    assert [c["redemption_cost_eur"] for c in priced["coupons"]] == [5.0, 10.0]


def test_metrics_count_decisions_by_arm_and_reason(tmp_path: Path) -> None:
    held = next(r for r in wide(customers()).to_pylist() if r["reason"] == "holdout")
    with TestClient(create_app(office(tmp_path))) as client:
        client.post("/v1/decisions", json={"user_id": held["unit_id"]})
        client.post("/v1/decisions", json={"user_id": "\u00fc" * 300})
        text = client.get("/metrics").text

    assert 'uplift_decisions_total{arm="no_coupon",reason="holdout"} 1.0' in text
    assert 'uplift_request_seconds_count{route="/v1/decisions",status="200"} 1.0' in text
    assert 'uplift_request_seconds_count{route="/v1/decisions",status="422"} 1.0' in text
    assert held["unit_id"] not in text


def test_a_new_run_is_taken_on_request_and_a_bad_one_refused(tmp_path: Path) -> None:
    with TestClient(create_app(office(tmp_path))) as client:
        published = Workspace(tmp_path).published
        assert client.post("/v1/reload").json()["outcome"] == "unchanged"
        fresh = publish_run(published, customers(200))
        assert client.post("/v1/reload").json() == {"outcome": "loaded", "run_id": fresh.run_id}
        bad = publish_run(published, customers(100))
        bad.customers.write_bytes(bad.customers.read_bytes()[:-1])

        found = client.post("/v1/reload").json()
        decision = client.post("/v1/decisions", json={"user_id": "u018"}).json()

        assert found == {"outcome": "refused", "run_id": fresh.run_id}
        assert decision["degraded"] == ["run"]
        assert decision["data"]["run_id"] == fresh.run_id
        assert client.get("/health/ready").json()["degraded"] == ["run"]
        assert 'uplift_reloads_total{outcome="refused"} 1.0' in client.get("/metrics").text


def ask(client: TestClient, method: str, path: str, key: str) -> int:
    url = path.replace("{user_id}", "u018").replace("{export_id}", "0" * 32)
    headers = {"authorization": f"Bearer {key}"}
    return client.request(method, url, json=BODIES.get(path), headers=headers).status_code


def test_each_scope_opens_its_endpoints_and_no_other(tmp_path: Path) -> None:
    keys = {scope: make_key(tmp_path / "keys.json", [scope]) for scope in SCOPES}
    app = create_app(office(tmp_path))
    contract: dict[str, Any] = app.openapi()
    endpoints = {
        (method.upper(), path): operation
        for path, operations in contract["paths"].items()
        for method, operation in operations.items()
    }
    assert set(endpoints) == set(SCOPE_OF) | OPEN
    with TestClient(app) as client:
        for (method, path), scope in SCOPE_OF.items():
            assert ask(client, method, path, "nobody") == 401
            assert endpoints[method, path]["security"] == [{"key": []}]
            for mine, key in keys.items():
                expected = {200, 202, 404} if scope in (None, mine) else {403}
                assert ask(client, method, path, key) in expected, (path, mine)
        for method, path in OPEN:
            assert ask(client, method, path, "nobody") == 200


def test_the_examples_of_the_contract_run(client: TestClient) -> None:
    contract = client.get("/openapi.json").json()
    schemas, n = contract["components"]["schemas"], 0
    for path, operations in contract["paths"].items():
        body = operations.get("post", {}).get("requestBody")
        if body is None:
            continue
        reference = body["content"]["application/json"]["schema"]["$ref"]
        for example in schemas[reference.rsplit("/", 1)[1]]["examples"]:
            assert client.post(path, json=example).status_code in (200, 202)
            n += 1
    assert n == len(DecisionRequest.model_json_schema()["examples"]) + 6


def test_the_contract_names_the_features_and_coupons_of_the_run_that_serves(
    client: TestClient,
) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    asked = schemas["DecisionRequest"]["properties"]

    assert set(asked["features"]["properties"]) == {"age", "city"}
    assert asked["features"]["additionalProperties"] is False
    assert asked["eligible"]["anyOf"][0]["items"]["enum"] == ["coupon_5", "coupon_10"]
