import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from serving.desk import Desk
from serving.opening import Office
from serving.schemas import DecisionRequest, DecisionResponse
from serving.values import RequestIdReusedError
from tests.serving.builders import customers, office, publish_run, wide
from uplift.workspace import Workspace

T = TypeVar("T")
BATCH: Mapping[str, dict[str, object]] = {r["unit_id"]: r for r in wide(customers()).to_pylist()}
OFFERED = [unit for unit, row in BATCH.items() if row["decision"] != "no_coupon"]
FIVES = [unit for unit in OFFERED if BATCH[unit]["decision"] == "coupon_5"]


def at_work(opened: Office, work: Callable[[Desk], Coroutine[None, None, T]]) -> T:
    async def session() -> T:
        async with opened.at_work():
            return await work(opened.desk)

    return asyncio.run(session())


def decided(opened: Office, requests: list[DecisionRequest]) -> list[DecisionResponse]:
    """Answers to all, each of which must be one; the office is closed afterwards."""

    async def work(desk: Desk) -> list[DecisionResponse]:
        found = await desk.decide(requests)
        return [answer for answer in found if isinstance(answer, DecisionResponse)]

    answers = at_work(opened, work)
    assert len(answers) == len(requests)
    return answers


def asks(units: list[str]) -> list[DecisionRequest]:
    return [DecisionRequest(user_id=unit) for unit in units]


def records(folder: Path) -> Iterator[dict[str, object]]:
    for path in sorted(folder.glob("decisions-*")):
        for line in path.read_text().splitlines():
            yield json.loads(line)


def test_a_cap_holds_the_others_back_and_says_so(tmp_path: Path) -> None:
    capped = office(tmp_path, "serving.caps.offers={coupon_5: 3}")

    answers = decided(capped, asks(OFFERED))

    fives = [a for a in answers if a.user_id in FIVES]
    assert [a.action for a in fives] == ["offer"] * 3 + ["hold"] * (len(FIVES) - 3)
    assert {(a.reason, a.assignment.group, a.assignment.propensity) for a in fives[3:]} == {
        ("coupon_cap", "none", 1.0)
    }
    others = [a for a in answers if a.user_id not in FIVES]
    assert others
    assert {a.action for a in others} == {"offer"}


def test_who_has_the_coupon_keeps_it_when_the_cap_has_run_out_also_after_a_restart(
    tmp_path: Path,
) -> None:
    settings = "serving.caps.total_offers=2"
    first = decided(office(tmp_path, settings), asks(OFFERED[:4]))
    again = decided(office(tmp_path, settings), asks(OFFERED[:4]))

    assert [a.action for a in first] == ["offer", "offer", "hold", "hold"]
    assert [(a.action, a.reason) for a in again] == [(a.action, a.reason) for a in first]


def test_expected_spend_stays_below_its_cap(tmp_path: Path) -> None:
    answers = decided(office(tmp_path, "serving.caps.total_spend_eur=10"), asks(OFFERED))

    spend = sum(a.value.cost_eur for a in answers if a.offer and a.value)
    assert 10.0 - 5.0 < spend <= 10.0
    assert {a.reason for a in answers if not a.offer} == {"spend_cap"}


def test_a_request_id_gets_its_first_answer_back_whatever_happened_since(tmp_path: Path) -> None:
    request = DecisionRequest(user_id=OFFERED[0], request_id="order-1")

    (first,) = decided(office(tmp_path), [request])
    (again,) = decided(office(tmp_path, "serving.caps.total_offers=0"), [request])

    assert again == first
    assert len(list(records(Workspace(tmp_path).decision_log))) == 1


def test_a_thousand_repeats_at_once_are_one_decision(tmp_path: Path) -> None:
    request = DecisionRequest(user_id=OFFERED[0], request_id="order-1")

    async def work(desk: Desk) -> list[DecisionResponse]:
        return list(await asyncio.gather(*(desk.decide_one(request) for _ in range(1000))))

    answers = at_work(office(tmp_path), work)

    assert len({answer.decision_id for answer in answers}) == 1
    assert len(list(records(Workspace(tmp_path).decision_log))) == 1


def test_a_request_id_for_another_question_is_a_mistake(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.decide_one(DecisionRequest(user_id="u001", request_id="order-1"))
        with pytest.raises(RequestIdReusedError, match="'order-1' was used for another request"):
            await desk.decide_one(DecisionRequest(user_id="u002", request_id="order-1"))

    at_work(office(tmp_path), work)


def test_the_log_holds_every_decision_as_an_assignment_and_no_feature(tmp_path: Path) -> None:
    requests = [
        DecisionRequest(user_id=unit, features={"city": "Atlantis"} if i % 2 else {})
        for i, unit in enumerate(BATCH)
    ]
    answers = decided(office(tmp_path), requests)

    found = {record["decision_id"]: record for record in records(Workspace(tmp_path).decision_log)}
    assert len(found) == len(answers)
    for answer in answers:
        record = found[answer.decision_id]
        assert record["experiment_id"] == "coupon"
        assert record["unit_id"] == answer.user_id
        assert record["arm"] == (answer.offer.treatment if answer.offer else "no_coupon")
        assert record["propensity"] == answer.assignment.propensity
        assert record["reason"] == answer.reason
    assert "Atlantis" not in str(found)


def test_a_full_queue_is_said_in_the_answer(tmp_path: Path) -> None:
    slow = office(tmp_path, "serving.decision_log.queue=1", "serving.decision_log.flush_ms=60000")

    first, second = decided(slow, asks(["u001", "u002"]))

    assert (first.logged, first.degraded) == ("queued", [])
    assert (second.logged, second.degraded) == ("shed", ["log"])


def test_written_means_written(tmp_path: Path) -> None:
    folder = Workspace(tmp_path).decision_log

    async def work(desk: Desk) -> None:
        answer = await desk.decide_one(DecisionRequest(user_id="u001"))
        assert answer.logged == "written"
        (path,) = folder.glob("_open-*")
        assert json.loads(path.read_text())["decision_id"] == answer.decision_id

    at_work(office(tmp_path, "serving.decision_log.acknowledge=written"), work)


def test_spend_ahead_of_the_day_makes_the_budget_dearer_and_the_reason_is_pacing(
    tmp_path: Path,
) -> None:
    settings = [
        "serving.caps.total_spend_eur=100000",
        "serving.pacing.enabled=true",
        "serving.pacing.most=2.5",
    ]
    paced = office(tmp_path, *settings)

    async def work(desk: Desk) -> None:
        before = await desk.decide(asks(OFFERED))
        desk.keeper.dearer = 2.5  # 1 + shadow price is 5: a coupon of 5 earns 6 and costs 1.6
        after = await desk.decide(asks(OFFERED))
        for old, new in zip(before, after, strict=True):
            assert isinstance(old, DecisionResponse)
            assert isinstance(new, DecisionResponse)
            if old.reason == "net_value":
                assert (new.action, new.reason) == ("hold", "pacing")
            else:  # chance has no price
                assert (new.reason, new.offer) == (old.reason, old.offer)

    at_work(paced, work)


def test_a_challenger_decides_beside_into_its_own_log(tmp_path: Path) -> None:
    publish_run(tmp_path / "challenger")
    beside = office(tmp_path / "main", f"serving.shadow.published={tmp_path / 'challenger'}")

    answers = decided(beside, asks(list(BATCH)))

    found = {r["decision_id"]: r for r in records(Workspace(tmp_path / "main").shadow_log)}
    assert set(found) == {answer.decision_id for answer in answers}
    for answer in answers:
        record = found[answer.decision_id]
        assert record["agrees"] is True
        assert record["champion_arm"] == (answer.offer.treatment if answer.offer else None)


def test_the_share_of_a_challenger_is_by_customer(tmp_path: Path) -> None:
    publish_run(tmp_path / "challenger")
    settings = [f"serving.shadow.published={tmp_path / 'challenger'}", "serving.shadow.share=0.3"]

    decided(office(tmp_path / "main", *settings), asks([*BATCH, *BATCH]))

    units = [r["unit_id"] for r in records(Workspace(tmp_path / "main").shadow_log)]
    assert len(units) == 2 * len(set(units))
    # four standard errors of a share of 300 draws
    assert abs(len(set(units)) / 300 - 0.3) < 4 * (0.3 * 0.7 / 300) ** 0.5
