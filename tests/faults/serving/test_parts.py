"""A part stops, slows down or rots under a running desk: answers stay right and say so."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.desk import Desk
from serving.opening import Office
from serving.schemas import DecisionRequest, DecisionResponse
from tests.faults.serving.builders import Proxy
from tests.online.test_ledger import redis_server
from tests.serving.builders import office
from tests.serving.test_desk import BATCH, OFFERED, asks, at_work
from uplift.workspace import Workspace


@pytest.fixture
def line(tmp_path: Path) -> Iterator[tuple[Proxy, object]]:
    """A Redis of our own behind a line that can be made slow."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with redis_server(folder) as (url, process):
        proxy = Proxy(int(url.rsplit(":", 1)[1].split("/")[0]))
        yield proxy, process
        proxy.close()


def capped(tmp_path: Path, proxy: Proxy) -> Office:
    return office(
        tmp_path / "workspace",
        "serving.ledger.store=redis",
        f"serving.ledger.url=redis://127.0.0.1:{proxy.port}/0",
        "serving.ledger.timeout_seconds=0.2",
        "serving.caps.total_offers=1000",
    )


async def answers_of(desk: Desk, requests: list[DecisionRequest]) -> list[DecisionResponse]:
    found = await desk.decide(requests)
    assert all(isinstance(one, DecisionResponse) for one in found)
    return [one for one in found if isinstance(one, DecisionResponse)]


def test_a_slow_ledger_delays_one_answer_by_its_time_out_and_caps_are_never_passed(
    tmp_path: Path, line: tuple[Proxy, object]
) -> None:
    proxy, _ = line
    named = [DecisionRequest(user_id=unit, request_id=f"r-{unit}") for unit in OFFERED]
    held = [unit for unit in BATCH if unit not in OFFERED]

    async def work(desk: Desk) -> None:
        assert {a.action for a in await answers_of(desk, named[:5])} == {"offer"}
        proxy.delay_seconds = 5.0
        start = time.monotonic()
        slow = await answers_of(desk, named[5:10])
        assert time.monotonic() - start < 2.0
        assert {(a.action, a.reason, a.fallback.code) for a in slow if a.fallback} == {
            ("hold", "fallback", "LEDGER_UNAVAILABLE")
        }
        assert all(a.degraded[:1] == ["ledger"] for a in slow)
        # who gets nothing needs no ledger
        for answer in await answers_of(desk, asks(held)):
            assert (answer.reason, answer.degraded) == (BATCH[answer.user_id]["reason"], [])
        proxy.delay_seconds = 0.0
        await asyncio.sleep(0.6)  # it rests after a failure
        await answers_of(desk, named[10:11])
        assert {a.action for a in await answers_of(desk, asks(OFFERED[5:10]))} == {"offer"}

    at_work(capped(tmp_path, proxy), work)


def test_a_ledger_that_stopped_is_said_and_nothing_is_spent(
    tmp_path: Path, line: tuple[Proxy, object]
) -> None:
    proxy, process = line

    async def work(desk: Desk) -> None:
        process.kill()  # type: ignore[attr-defined]
        process.wait()  # type: ignore[attr-defined]
        for answer in await answers_of(desk, asks(list(BATCH))):
            assert answer.offer is None
            if answer.user_id in OFFERED:
                assert answer.degraded == ["ledger"]
            else:
                assert answer.reason == BATCH[answer.user_id]["reason"]

    at_work(capped(tmp_path, proxy), work)


def test_a_store_that_rots_under_the_service_gives_right_answers_or_none(tmp_path: Path) -> None:
    rotten = office(tmp_path)
    (path,) = Workspace(tmp_path).published.glob("runs/*/customers.sqlite")
    content = bytearray(path.read_bytes())

    async def work(desk: Desk) -> int:
        with path.open("r+b") as file:  # in place: the pages are mapped
            file.seek(4096)
            file.write(b"\xff" * (len(content) - 4096))
        n_held = 0
        for answer in await answers_of(desk, asks(list(BATCH))):
            if answer.fallback is None:
                assert answer.reason == BATCH[answer.user_id]["reason"]
            else:
                n_held += 1
                assert answer.offer is None
        return n_held

    assert at_work(rotten, work) > 0


def test_without_the_store_a_fallback_coupon_goes_to_all_but_the_holdout(tmp_path: Path) -> None:
    generous = office(tmp_path, "serving.fallback_treatment=coupon_5")

    async def work(desk: Desk) -> None:
        desk.service.store.close()
        held_out = {unit for unit, row in BATCH.items() if row["reason"] == "holdout"}
        for answer in await answers_of(desk, asks([u for u in BATCH if BATCH[u]["contactable"]])):
            given = answer.offer.treatment if answer.offer else None
            assert given == (None if answer.user_id in held_out else "coupon_5")
            assert answer.fallback is not None
            assert answer.fallback.code == "STORE_UNAVAILABLE"
            assert answer.degraded == ["store"]

    at_work(generous, work)
