import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

import serving
from serving.app import create_app
from serving.bucketing import Bucketing
from serving.client import CallerError, DecisionClient, LocalFallback
from serving.opening import Office
from tests.serving.builders import customers, office, policy, wide
from uplift.hashing import hash_uniform
from uplift.policy import draw

VECTORS = Path(serving.__file__).with_name("bucketing.json")
HOLDOUT = Bucketing(policy().salt, policy().campaign_id, policy().holdout_share)


class Line(httpx2.BaseTransport):
    """Carries requests to the app in this process; ``faults`` happen to the first of them."""

    def __init__(self, app: TestClient, *faults: int | Exception) -> None:
        self.app, self.faults, self.n = app, list(faults), 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.n += 1
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            return httpx2.Response(fault, text="no json")
        headers = {"content-type": "application/json"}
        reply = self.app.post(request.url.path, content=request.read(), headers=headers)
        return httpx2.Response(reply.status_code, content=reply.content)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return office(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def app(opened: Office) -> Iterator[TestClient]:
    with TestClient(create_app(opened)) as app:
        yield app


def client(line: httpx2.BaseTransport, fallback: LocalFallback | None = None) -> DecisionClient:
    return DecisionClient(
        "http://service", transport=line, fallback=fallback, tries=3, sleep=lambda _: None
    )


def test_the_client_brings_what_the_service_decided(app: TestClient) -> None:
    with client(Line(app)) as asks:
        for row in wide(customers()).to_pylist()[::20]:
            found = asks.decide(row["unit_id"])

            assert (found.treatment or "no_coupon") == row["decision"]
            assert (found.reason, found.propensity) == (row["reason"], row["decision_propensity"])
            assert not found.is_local


def test_a_fault_on_the_line_is_tried_again_and_decides_once(app: TestClient) -> None:
    line = Line(app, httpx2.ConnectError("gone"), 503)

    found = client(line).decide("u018")

    assert line.n == 3
    assert not found.is_local
    assert client(Line(app)).decide("u018", request_id=found.answer["request_id"]) == found


@pytest.mark.parametrize(
    "fault", [503, 500, 200, httpx2.ReadTimeout("slow"), httpx2.ConnectError("gone")], ids=repr
)
def test_without_the_service_the_fallback_decides_but_for_the_holdout(
    app: TestClient, fault: int | Exception
) -> None:
    decides = client(Line(app, *[fault] * 900), LocalFallback("coupon_5", 5.0, HOLDOUT))
    units = [f"u{i:03d}" for i in range(300)]

    found = [decides.decide(unit) for unit in units]

    held = draw(policy(), units).is_held_out
    assert [one.treatment is None for one in found] == held.tolist()
    assert {one.propensity for one in np.array(found)[held]} == {0.1}
    assert {one.propensity for one in np.array(found)[~held]} == {0.9}
    assert {(one.reason, one.is_local) for one in found} == {("local_fallback", True)}


def test_by_default_nothing_is_given_without_the_service(app: TestClient) -> None:
    found = client(Line(app, 503, 503, 503)).decide("u018")

    assert (found.treatment, found.propensity, found.is_local) == (None, 1.0, True)


def test_a_mistake_of_the_caller_is_raised_and_not_tried_again(app: TestClient) -> None:
    line = Line(app)
    with pytest.raises(CallerError, match=r"feature \(422\): the model has no feature 'agee'"):
        client(line).decide("u018", features={"agee": 1.0})
    assert line.n == 1


def test_policy_and_client_draw_as_the_vectors_say() -> None:
    document = json.loads(VECTORS.read_text(encoding="utf-8"))

    assert document["columns"] == ["salt", "campaign_id", "purpose", "unit_id", "uniform"]
    assert len(document["cases"]) >= 500
    for salt, campaign_id, purpose, unit_id, uniform in document["cases"]:
        assert Bucketing(salt, campaign_id, 0.5, purpose).uniform(unit_id) == uniform
        assert hash_uniform(unit_id, f"{salt}:{campaign_id}:{purpose}") == uniform
    units = [case[3] for case in document["cases"] if case[:3] == ["policy-1", "coupon", "holdout"]]
    assert draw(policy(), units).is_held_out.tolist() == [HOLDOUT.draws(unit) for unit in units]
