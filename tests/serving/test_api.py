import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.opening import Office
from serving.schemas import DecisionRequest, DecisionResponse, Problem, SegmentsResponse
from serving.service import DecisionService
from tests.serving.builders import customers, office, policy, wide
from uplift.logs import configure_logging

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return office(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def service(opened: Office) -> DecisionService:
    return opened.desk.service


@pytest.fixture(scope="module")
def client(opened: Office) -> Iterator[TestClient]:
    with TestClient(create_app(opened), raise_server_exceptions=False) as client:
        yield client


def post(client: TestClient, body: object) -> tuple[int, dict[str, Any]]:
    answer = client.post("/v1/decisions", json=body)
    return answer.status_code, answer.json()


def problem(client: TestClient, content: str | bytes, **headers: str) -> Problem:
    """Post a body as it is and check that the answer is a problem document."""
    answer = client.post("/v1/decisions", content=content, headers={**JSON, **headers})
    assert answer.headers["content-type"] == "application/problem+json"
    found = Problem.model_validate(answer.json())
    assert found.status == answer.status_code
    assert found.instance == "/v1/decisions"
    assert "Traceback" not in answer.text
    return found


def test_every_customer_gets_over_http_what_the_batch_decided(client: TestClient) -> None:
    for row in wide(customers()).to_pylist():
        status, found = post(client, {"user_id": row["unit_id"]})

        assert status == 200
        offered = found["offer"]["treatment"] if found["offer"] else "no_coupon"
        assert offered == row["decision"]
        assert found["action"] == ("hold" if row["decision"] == "no_coupon" else "offer")
        assert found["segment"] == row["segment"]
        assert found["reason"] == row["reason"]
        assert found["assignment"]["propensity"] == row["decision_propensity"]


def test_an_offer_tells_coupon_value_versions_and_a_fresh_id(
    client: TestClient, service: DecisionService
) -> None:
    targeted = next(r for r in wide(customers()).to_pylist() if r["reason"] == "net_value")
    _, found = post(client, {"user_id": targeted["unit_id"], "campaign_id": "coupon"})
    _, again = post(client, {"user_id": targeted["unit_id"]})

    assert found["offer"] == {"treatment": "coupon_5", "value_eur": 5.0}
    assert found["assignment"] == {"group": "policy", "propensity": pytest.approx(0.84)}
    assert found["value"]["shadow_price"] == 1.0
    assert found["uplift"] == {"coupon_5": pytest.approx(0.2), "coupon_10": pytest.approx(0.25)}
    assert found["model"] == {"version": policy().model_version}
    assert found["policy_version"] == policy().version
    assert found["data"] == {"run_id": service.run_id, "features_as_of": policy().as_of}
    assert found.pop("decision_id") != again.pop("decision_id")
    assert found == again


def test_a_stranger_is_held_with_a_fallback(client: TestClient) -> None:
    status, found = post(client, {"user_id": "stranger"})

    assert status == 200
    assert (found["action"], found["offer"]) == ("hold", None)
    assert found["fallback"] == {"code": "USER_UNKNOWN"}


def test_features_of_now_count(client: TestClient) -> None:
    row = next(row for row in customers().to_pylist() if (row["age"] or 0) > 60)

    _, found = post(client, {"user_id": row["unit_id"], "features": {"age": 30, "city": "Ulm"}})

    assert found["segment"] == "persuadable"


@pytest.mark.parametrize("message", [DecisionRequest, DecisionResponse])
def test_the_examples_of_the_contract_are_valid(message: type[DecisionRequest]) -> None:
    examples = message.model_json_schema()["examples"]
    assert examples
    for example in examples:
        message.model_validate(example)


def test_the_example_requests_are_answered_in_the_shape_of_the_example_answer(
    client: TestClient,
) -> None:
    (shape,) = DecisionResponse.model_json_schema()["examples"]
    for example in DecisionRequest.model_json_schema()["examples"]:
        status, found = post(client, example)
        assert status == 200
        assert found.keys() == shape.keys()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/user_id"),
        ({"user_id": ""}, "/user_id"),
        ({"user_id": 7}, "/user_id"),
        ({"user_id": None}, "/user_id"),
        ({"user_id": "u" * 257}, "/user_id"),
        ({"user_id": "u", "usr": 1}, "/usr"),
        ({"user_id": "u", "features": []}, "/features"),
        ({"user_id": "u", "features": {"age": True}}, "/features/age"),
        ({"user_id": "u", "features": {"age": [1]}}, "/features/age"),
        ({"user_id": "u", "features": {"a/g~e": {}}}, "/features/a~1g~0e"),
        ([], ""),
    ],
)
def test_a_body_of_the_wrong_shape_is_pointed_at(
    client: TestClient, body: object, pointer: str
) -> None:
    found = problem(client, json.dumps(body))

    assert found.status == 422
    assert [fault.pointer for fault in found.errors] == [pointer]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
def test_numbers_that_are_not_finite_are_refused(client: TestClient, number: str) -> None:
    found = problem(client, f'{{"user_id": "u000", "features": {{"age": {number}}}}}')

    assert found.status == 422
    assert found.detail == "/features/age: Give a finite number, text or null"


def test_an_unknown_feature_names_the_nearest(client: TestClient) -> None:
    found = problem(client, '{"user_id": "u000", "features": {"agee": 44}}')

    assert (found.status, found.type) == (422, "urn:uplift:problem:feature")
    assert found.detail == "the model has no feature 'agee'; did you mean 'age'?"


def test_no_problem_repeats_the_value_of_a_feature(client: TestClient) -> None:
    for features in ('{"age": "4711"}', '{"city": 4711}', '{"aeg": 4711}', '{"age": [4711]}'):
        found = problem(client, f'{{"user_id": "u000", "features": {features}}}')
        assert found.status == 422
        assert "4711" not in found.model_dump_json()


def test_another_campaign_is_not_found(client: TestClient) -> None:
    found = problem(client, '{"user_id": "u000", "campaign_id": "spring"}')

    assert (found.status, found.type) == (404, "urn:uplift:problem:unknown-campaign")


@pytest.mark.parametrize(
    "content",
    ["", "{", "{'user_id': 'u'}", b"\xff\xfe", "[" * 20_000, '{"user_id": "\\ud800"}'],
    ids=["empty", "cut", "quotes", "not-utf8", "deep", "surrogate"],
)
def test_what_is_no_json_is_the_callers_fault(client: TestClient, content: str | bytes) -> None:
    assert problem(client, content).status in {400, 422}


def test_a_form_is_not_json(client: TestClient) -> None:
    content_type = {"content-type": "application/x-www-form-urlencoded"}

    found = problem(client, '{"user_id": "u000"}', **content_type)

    assert found.status == 415
    assert "`content-type: application/json`" in found.detail


def test_a_huge_body_is_refused(client: TestClient) -> None:
    assert problem(client, " " * 65536 + "{}").status == 413
    assert problem(client, " " * (65536 - 2) + "{}").status == 422


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/docs", 404),
        ("GET", "/v1/decisions/", 404),
        ("GET", "/v1/decisions", 405),
        ("DELETE", "/v1/segments", 405),
    ],
)
def test_wrong_paths_and_methods_are_problems_too(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert Problem.model_validate(answer.json()).status == status
    assert status == 404 or "allow" in answer.headers


def test_a_bug_is_answered_without_its_traceback(tmp_path: Path) -> None:
    app = create_app(office(tmp_path))

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError("secret")

    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/bug")

    found = Problem.model_validate(answer.json())
    assert (answer.status_code, found.type) == (500, "urn:uplift:problem:internal")
    assert "secret" not in answer.text


def test_live_is_live_and_ready_names_the_versions(
    client: TestClient, service: DecisionService
) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {
        "status": "ready",
        "run_id": service.run_id,
        "model_version": policy().model_version,
        "policy_version": policy().version,
        "degraded": [],
    }


def test_without_its_store_the_service_lives_and_holds_but_is_not_ready(tmp_path: Path) -> None:
    lost = office(tmp_path)
    with TestClient(create_app(lost)) as client:
        lost.desk.service.close()

        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 503
        assert client.get("/health/ready").headers["content-type"] == "application/problem+json"
        assert str(tmp_path) not in client.get("/health/ready").text
        assert post(client, {"user_id": "u000"})[1]["fallback"] == {"code": "STORE_UNAVAILABLE"}


def test_segments_are_those_of_the_run(client: TestClient, service: DecisionService) -> None:
    found = SegmentsResponse.model_validate(client.get("/v1/segments").json())

    rows = wide(customers()).to_pylist()
    assert (found.run_id, found.customers) == (service.run_id, 300)
    for segment in found.segments:
        of_segment = [row for row in rows if row["segment"] == segment.segment]
        assert segment.customers == len(of_segment) > 0
        assert segment.share == len(of_segment) / 300
        assert segment.offers == sum(row["decision"] != "no_coupon" for row in of_segment)


def test_a_request_is_a_line_without_customer_and_features(client: TestClient) -> None:
    stream = io.StringIO()
    configure_logging(stream)
    body = {"user_id": "u000", "features": {"city": "Atlantis"}}
    answer = client.post("/v1/decisions", json=body, headers={"x-request-id": "order-7"})

    (line,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (line["event"], line["request_id"]) == ("request.answered", "order-7")
    assert (line["route"], line["status"]) == ("/v1/decisions", 200)
    assert line["duration_ms"] > 0
    assert answer.headers["x-request-id"] == "order-7"
    assert "Atlantis" not in stream.getvalue()
    assert "u000" not in stream.getvalue()


def test_the_contract_promises_problems_and_no_validation_error_of_the_framework(
    client: TestClient,
) -> None:
    contract = client.get("/openapi.json").json()

    answers = contract["paths"]["/v1/decisions"]["post"]["responses"]
    assert set(answers) == {"200", "400", "404", "408", "413", "415", "422", "503"}
    for status in set(answers) - {"200"}:
        assert list(answers[status]["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in contract["components"]["schemas"]
