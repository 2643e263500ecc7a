import asyncio
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from tests.conftest import ROOT
from uplift.errors import ContractError
from uplift.online.ledger import Answer, Claim, Ledger, LedgerUnavailableError, Limits, Spent
from uplift.online.redis_ledger import RedisLedger
from uplift.online.sqlite_ledger import SqliteLedger

T = TypeVar("T")
Opener = Callable[[], Ledger]

RACER = """
import asyncio, sys
from pathlib import Path
from uplift.online.ledger import Claim, Limits
from uplift.online.redis_ledger import RedisLedger
from uplift.online.sqlite_ledger import SqliteLedger

where, name, offers, total, spend = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
async def race():
    if where.startswith("redis"):
        ledger = RedisLedger(where, timeout_seconds=30.0)
    else:
        ledger = SqliteLedger(Path(where), timeout_seconds=30.0)
    limits, granted = Limits({"coupon_5": offers}, total, spend), 0
    for i in range(400):
        coupon = "coupon_5" if i % 2 else "coupon_10"
        claim = Claim(f"{name}-{i}", coupon, 1_000 if i % 2 else 3_000)
        granted += (await ledger.claim("race", [claim], limits)) == ["granted"]
    await ledger.close()
    print(granted)
asyncio.run(race())
"""


@contextmanager
def redis_server(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A server of our own, so that a test may stop it."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server on this machine")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir"]
    process = subprocess.Popen([*command, str(folder)], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as (url, _):
        yield url


@pytest.fixture(params=["sqlite", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a ledger that is empty."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.sqlite")
    from redis import Redis

    url: str = request.getfixturevalue("redis_url")
    with Redis.from_url(url) as server:
        server.flushdb()
    return url


@pytest.fixture
def opener(where: str) -> Opener:
    if where.startswith("redis"):
        return lambda: RedisLedger(where, timeout_seconds=5.0)
    return lambda: SqliteLedger(Path(where), timeout_seconds=5.0)


def run(opener: Opener, work: Callable[[Ledger], Coroutine[None, None, T]]) -> T:
    async def session() -> T:
        ledger = opener()
        try:
            return await work(ledger)
        finally:
            await ledger.close()

    return asyncio.run(session())


def test_a_coupon_goes_out_until_its_cap(opener: Opener) -> None:
    async def work(ledger: Ledger) -> list[str]:
        claims = [Claim(f"u{i}", "coupon_5", 1) for i in range(3)]
        other = [Claim("u9", "coupon_10", 1)]
        return [*await ledger.claim("day", [*claims, *other], Limits({"coupon_5": 2}))]

    assert run(opener, work) == ["granted", "granted", "coupon_cap", "granted"]


def test_who_claims_again_counts_once_and_keeps_the_coupon_when_it_ran_out(opener: Opener) -> None:
    async def work(ledger: Ledger) -> list[str]:
        claims = [Claim(unit, "coupon_5", 7) for unit in ("u1", "u1", "u2", "u1")]
        found = await ledger.claim("day", claims, Limits(total_offers=1))
        assert await ledger.spent("day") == Spent(1, 7)
        return [*found]

    assert run(opener, work) == ["granted", "granted", "total_cap", "granted"]


def test_spend_stops_before_the_limit_is_passed_and_smaller_coupons_still_fit(
    opener: Opener,
) -> None:
    async def work(ledger: Ledger) -> list[str]:
        claims = [
            Claim("u1", "coupon_5", 6),
            Claim("u2", "coupon_5", 5),
            Claim("u3", "coupon_5", 4),
        ]
        return [*await ledger.claim("day", claims, Limits(total_spend_micros=10))]

    assert run(opener, work) == ["granted", "spend_cap", "granted"]


def test_another_day_counts_from_zero(opener: Opener) -> None:
    async def work(ledger: Ledger) -> list[str]:
        one = [Claim("u1", "coupon_5", 1)]
        two = [Claim("u2", "coupon_5", 1)]
        limits = Limits(total_offers=1)
        days = [("monday", one), ("monday", two), ("tuesday", two)]
        return [(await ledger.claim(day, claims, limits))[0] for day, claims in days]

    assert run(opener, work) == ["granted", "total_cap", "granted"]


def test_a_request_id_gets_its_first_answer_back(opener: Opener) -> None:
    first, second = Answer("r1", "q", "yes"), Answer("r1", "q", "no")

    async def work(ledger: Ledger) -> list[Answer]:
        found = await ledger.remember("coupon", [first], 60)
        found += await ledger.remember("coupon", [second, Answer("r2", "q", "new")], 60)
        return found + await ledger.remember("spring", [second], 60)

    assert run(opener, work) == [first, first, Answer("r2", "q", "new"), second]


def test_what_is_counted_is_there_for_the_next_process(opener: Opener) -> None:
    limits = Limits(total_offers=1)
    run(opener, lambda ledger: ledger.claim("day", [Claim("u1", "coupon_5", 1)], limits))

    later = run(opener, lambda ledger: ledger.claim("day", [Claim("u2", "coupon_5", 1)], limits))

    assert later == ["total_cap"]


def test_answers_are_forgotten_when_their_time_is_over(tmp_path: Path) -> None:
    now = [1000.0]
    path = tmp_path / "ledger.sqlite"

    def opener() -> Ledger:
        return SqliteLedger(path, timeout_seconds=1.0, clock=lambda: now[0])

    first, second = Answer("r1", "q", "yes"), Answer("r1", "q", "no")
    assert run(opener, lambda ledger: ledger.remember("c", [first], 60)) == [first]
    now[0] += 59.0
    assert run(opener, lambda ledger: ledger.remember("c", [second], 60)) == [first]
    now[0] += 1.0
    assert run(opener, lambda ledger: ledger.remember("c", [second], 60)) == [second]


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ((37, 10_000, 10_000_000), 837),
        ((1000, 101, 10_000_000), 101),
        ((1000, 10_000, 250_000), 250),
    ],
    ids=["coupon", "total", "spend"],
)
def test_four_processes_that_race_never_exceed_a_cap(
    where: str, opener: Opener, limits: tuple[int, int, int], most: int
) -> None:
    command = [sys.executable, "-c", RACER, where]
    racers = [
        subprocess.Popen(
            [*command, f"p{i}", *map(str, limits)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for i in range(4)
    ]
    granted = sum(int(racer.communicate(timeout=120)[0]) for racer in racers)

    spent = run(opener, lambda ledger: ledger.spent("race"))
    assert spent.offers == granted <= most
    assert spent.spend_micros <= limits[2]
    if limits[2] == 250_000:
        assert spent.spend_micros > 250_000 - 3_000  # no more than one coupon is left over
    else:
        assert granted == most


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_text("this is no database at all, whatever its name says" * 100)

    with pytest.raises(ContractError, match=r"ledger\.sqlite cannot keep the ledger"):
        SqliteLedger(path, timeout_seconds=0.1)


def test_a_server_that_stops_is_said_in_time_and_not_asked_again_at_once(tmp_path: Path) -> None:
    now = [0.0]

    async def work(url: str, process: "subprocess.Popen[bytes]") -> Counter[str]:
        ledger = RedisLedger(url, timeout_seconds=0.2, clock=lambda: now[0])
        claims = [Claim("u1", "coupon_5", 1)]
        seen: Counter[str] = Counter(await ledger.claim("day", claims, Limits()))
        process.kill()
        process.wait()
        for moment in (0.0, 0.1, 1.0):
            now[0] = moment
            try:
                await ledger.claim("day", claims, Limits())
            except LedgerUnavailableError as error:
                seen["rested" if "a moment ago" in str(error) else "asked"] += 1
        await ledger.close()
        return seen

    with redis_server(tmp_path) as (url, process):
        assert asyncio.run(work(url, process)) == {"granted": 1, "asked": 2, "rested": 1}
