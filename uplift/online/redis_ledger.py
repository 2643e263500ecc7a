"""A ledger in Redis, for any number of replicas.

    uplift:{<scope>}:given     hash: treatment, NUL, unit_id -> spend, millionths of a euro
    uplift:{<scope>}:counts    hash: offers and spend of each coupon, and of all
    uplift:{<scope>}:answers:<request_id>

A claim is one script, so no two replicas can both take the last coupon. After a failure nobody asks
again for a while: a slow server must not make every request wait.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from uplift.errors import ConfigError
from uplift.online.ledger import Answer, Claim, LedgerUnavailableError, Limits, Spent, Verdict

if TYPE_CHECKING:
    from redis.asyncio import Redis

_REST_SECONDS = 0.5  # after a failure
_KEEP_SECONDS = 40 * 86400  # a day's counts; those of a campaign are kept alive by its claims
_ALL_OFFERS, _ALL_MICROS = "*offers", "*micros"
_VERDICTS: tuple[Verdict, ...] = ("granted", "coupon_cap", "total_cap", "spend_cap")
_CLAIM = """
local given, counts = KEYS[1], KEYS[2]
if redis.call('HEXISTS', given, ARGV[1]) == 1 then return 0 end
local function count(field) return tonumber(redis.call('HGET', counts, field) or '0') end
local coupon, micros = ARGV[2], tonumber(ARGV[3])
if ARGV[4] ~= '' and count('offers:' .. coupon) >= tonumber(ARGV[4]) then return 1 end
if ARGV[5] ~= '' and count('*offers') >= tonumber(ARGV[5]) then return 2 end
if ARGV[6] ~= '' and count('*micros') + micros > tonumber(ARGV[6]) then return 3 end
redis.call('HSET', given, ARGV[1], ARGV[3])
redis.call('HINCRBY', counts, 'offers:' .. coupon, 1)
redis.call('HINCRBY', counts, '*offers', 1)
redis.call('HINCRBY', counts, '*micros', ARGV[3])
redis.call('EXPIRE', given, ARGV[7])
redis.call('EXPIRE', counts, ARGV[7])
return 0
"""


class RedisLedger:
    """Counts and first answers in Redis.

    Args:
        url: Of the server.
        timeout_seconds: For an answer, connecting included.
        clock: Seconds that only go on.

    Raises:
        ConfigError: The package redis is not installed.
    """

    def __init__(
        self, url: str, *, timeout_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        try:
            import redis.asyncio as library
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise ConfigError(
                "`serving.ledger.store` is redis, but the package redis is not installed. Install "
                "the extra `redis`, or write `embedded`."
            ) from None
        self._server: Redis = library.Redis.from_url(
            url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )
        self._failures = (library.RedisError, OSError, TimeoutError)
        self._timeout, self._clock = timeout_seconds, clock
        self._rests_until = 0.0

    async def claim(self, scope: str, claims: Sequence[Claim], limits: Limits) -> list[Verdict]:
        """See ``Ledger.claim``."""
        keys = (_key(scope, "given"), _key(scope, "counts"))
        caps = (_text(limits.total_offers), _text(limits.total_spend_micros), _KEEP_SECONDS)
        commands = [
            (
                "EVAL",
                _CLAIM,
                len(keys),
                *keys,
                f"{claim.treatment}\0{claim.unit_id}",
                claim.treatment,
                claim.cost_micros,
                _text(limits.offers.get(claim.treatment)),
                *caps,
            )
            for claim in claims
        ]
        return [_VERDICTS[int(cast(int, found))] for found in await self._ask(commands)]

    async def remember(self, scope: str, answers: Sequence[Answer], seconds: int) -> list[Answer]:
        """See ``Ledger.remember``."""
        commands = [
            (
                "SET",
                _key(scope, f"answers:{answer.request_id}"),
                json.dumps([answer.question, answer.text]),
                "NX",
                "GET",
                "EX",
                seconds,
            )
            for answer in answers
        ]
        before = await self._ask(commands)
        return [
            answer if first is None else Answer(answer.request_id, *json.loads(cast(str, first)))
            for answer, first in zip(answers, before, strict=True)
        ]

    async def spent(self, scope: str) -> Spent:
        """See ``Ledger.spent``."""
        ((offers, micros),) = cast(
            list[list[str | None]],
            await self._ask([("HMGET", _key(scope, "counts"), _ALL_OFFERS, _ALL_MICROS)]),
        )
        return Spent(int(offers or 0), int(micros or 0))

    async def close(self) -> None:
        """Close all connections."""
        await self._server.aclose()

    async def _ask(self, commands: Sequence[tuple[str | int, ...]]) -> list[object]:
        """Answers to all commands, sent at once."""
        if self._clock() < self._rests_until:
            raise LedgerUnavailableError("the ledger in Redis failed a moment ago.")
        try:
            async with asyncio.timeout(self._timeout):
                if len(commands) == 1:
                    return [await self._server.execute_command(*commands[0])]
                async with self._server.pipeline(transaction=False) as pipeline:
                    for command in commands:
                        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
                    return list(await pipeline.execute())
        except self._failures as error:
            self._rests_until = self._clock() + _REST_SECONDS
            raise LedgerUnavailableError(
                f"the ledger in Redis does not answer ({type(error).__name__}); capped coupons "
                "are held back until it does. See `serving.ledger`."
            ) from error


def _key(scope: str, name: str) -> str:
    """All keys of a scope on one node of a cluster: a script may touch no other."""
    return f"uplift:{{{scope}}}:{name}"


def _text(limit: int | None) -> str:
    return "" if limit is None else str(limit)
