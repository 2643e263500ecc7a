"""Where requests meet what outlives them: the current run, the ledger, the decision log.

The order of a decision: the run decides (permission, holdout, exploration, net value); caps take
back a coupon that has run out; a repeated request id gets its first answer; the log takes the rest.
"""

import asyncio
import hashlib
import json
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, Protocol, TypeAlias

from serving.answers import ask_of, decision_response, log_record
from serving.loading import Loaded
from serving.metrics import Metrics
from serving.pacing import Pace, scope_of
from serving.reasons import Degraded, Fallback, Reason
from serving.schemas.decisions import DecisionRequest, DecisionResponse
from serving.service import DecisionService
from serving.shadow import Shadow
from serving.values import Decision, RequestIdReusedError
from uplift.config import Caps
from uplift.errors import UpliftError
from uplift.logs import event
from uplift.online.decision_log import DecisionLog
from uplift.online.ledger import MICROS, Answer, Claim, Ledger, LedgerUnavailableError, Limits

_LOG = logging.getLogger(__name__)
_DENIED = {
    "coupon_cap": Reason.COUPON_CAP,
    "total_cap": Reason.TOTAL_CAP,
    "spend_cap": Reason.SPEND_CAP,
}
_WRITE_SECONDS = 2.0  # for an acknowledged write; later the answer says it is only queued

Found: TypeAlias = Decision | UpliftError
Logged: TypeAlias = Literal["queued", "written", "shed"]


class Source(Protocol):
    """Where the current run comes from."""

    @property
    def loaded(self) -> Loaded:
        """What serves now."""
        ...

    @property
    def refused(self) -> str | None:
        """Why a newer run does not serve."""
        ...


@dataclass(frozen=True)
class Rules:
    """What the desk is told by the configuration."""

    caps: Caps
    pace: Pace | None
    remember_seconds: int
    acknowledge_written: bool


class Desk:
    """Decides, keeps caps and first answers, and logs.

    Args:
        source: Of the current run.
        ledger: Shared with all replicas.
        log: Of decisions.
        rules: From the configuration.
        metrics: Counts what happens here.
        shadow: A challenger beside; None: there is none.
        clock: Now, in UTC.
    """

    def __init__(
        self,
        source: Source,
        ledger: Ledger,
        log: DecisionLog,
        rules: Rules,
        metrics: Metrics,
        *,
        shadow: Shadow | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.source, self.ledger, self.log = source, ledger, log
        self.rules, self.metrics, self.shadow = rules, metrics, shadow
        self._clock = clock
        self.dearer = 1.0
        spend = rules.caps.total_spend_eur
        self._limits = Limits(
            offers=rules.caps.offers,
            total_offers=rules.caps.total_offers,
            total_spend_micros=None if spend is None else round(spend * MICROS),
        )

    @property
    def service(self) -> DecisionService:
        """The service that answers now."""
        return self.source.loaded.service

    async def decide(
        self, requests: Sequence[DecisionRequest]
    ) -> list[DecisionResponse | UpliftError]:
        """An answer, or what is wrong, for each request."""
        service, now = self.service, self._clock()  # one run for all that follows
        found: list[Found] = service.decide_many([ask_of(r) for r in requests], dearer=self.dearer)
        if self.source.refused is not None:
            found = [_with(one, Degraded.RUN) for one in found]
        if self.rules.caps.any:
            found = await self._within_caps(service, requests, found, now)
        answers: list[DecisionResponse | UpliftError] = [
            one
            if isinstance(one, UpliftError)
            else decision_response(service, request, one, str(uuid.uuid4()))
            for request, one in zip(requests, found, strict=True)
        ]
        made = {i: one for i, one in enumerate(answers) if isinstance(one, DecisionResponse)}
        if any(request.request_id is not None for request in requests):
            answers, made = await self._first_answers(service, requests, answers)
        await self._enter(service, answers, made, found, now)
        return answers

    async def adjust_price(self) -> float:
        """Move the price of the budget to what the day's spend asks for; the factor."""
        if self.rules.pace is not None:
            try:
                spent = await self.ledger.spent(self._scope(self.service, self._clock()))
                self.dearer = self.rules.pace.factor(spent.spend_micros, self._clock())
            except LedgerUnavailableError:
                pass  # the last price stays
        return self.dearer

    async def close(self) -> None:
        """Write what waits, and let go of files and connections."""
        await asyncio.to_thread(self.log.close)
        if self.shadow is not None:
            await asyncio.to_thread(self.shadow.close)
        await self.ledger.close()

    async def _within_caps(
        self,
        service: DecisionService,
        requests: Sequence[DecisionRequest],
        found: Sequence[Found],
        now: datetime,
    ) -> list[Found]:
        """Each coupon counted against its caps, or taken back. Without the ledger all are."""
        offers = {
            i: one
            for i, one in enumerate(found)
            if isinstance(one, Decision) and one.treatment is not None
        }
        claims = [
            Claim(requests[i].user_id, str(one.treatment), _cost_micros(service, one))
            for i, one in offers.items()
        ]
        kept = list(found)
        if not claims:
            return kept
        try:
            verdicts = await self.ledger.claim(self._scope(service, now), claims, self._limits)
        except LedgerUnavailableError:
            for i, one in offers.items():
                held = replace(one.held(Reason.FALLBACK), fallback=Fallback.LEDGER_UNAVAILABLE)
                kept[i] = _with(held, Degraded.LEDGER)
            return kept
        for (i, one), verdict in zip(offers.items(), verdicts, strict=True):
            if verdict != "granted":
                kept[i] = one.held(_DENIED[verdict])
        return kept

    async def _first_answers(
        self,
        service: DecisionService,
        requests: Sequence[DecisionRequest],
        answers: Sequence[DecisionResponse | UpliftError],
    ) -> tuple[list[DecisionResponse | UpliftError], dict[int, DecisionResponse]]:
        """For a repeated request id the answer that it got first; and which answers are new."""
        made = {i: one for i, one in enumerate(answers) if isinstance(one, DecisionResponse)}
        named = {i: one for i, one in made.items() if one.request_id is not None}
        final = list(answers)
        try:
            firsts = await self.ledger.remember(
                service.policy.campaign_id,
                [
                    Answer(str(one.request_id), _digest(requests[i]), one.model_dump_json())
                    for i, one in named.items()
                ],
                self.rules.remember_seconds,
            )
        except LedgerUnavailableError:
            for i, one in named.items():
                degraded = [*one.degraded, Degraded.LEDGER]
                made[i] = one.model_copy(update={"degraded": degraded})
                final[i] = made[i]
            return final, made
        for (i, one), first in zip(named.items(), firsts, strict=True):
            if first.question != _digest(requests[i]):
                final[i] = RequestIdReusedError(
                    f"request_id {one.request_id!r} was used for another request; give each "
                    "request its own."
                )
                del made[i]
                continue
            before = DecisionResponse.model_validate_json(first.text)
            if before.decision_id != one.decision_id:
                final[i] = before
                del made[i]
        return final, made

    async def _enter(
        self,
        service: DecisionService,
        answers: list[DecisionResponse | UpliftError],
        made: dict[int, DecisionResponse],
        found: Sequence[Found],
        now: datetime,
    ) -> None:
        """Log and count what is new; each answer says whether it was logged."""
        writes: dict[int, asyncio.Future[bool]] = {}
        loop = asyncio.get_running_loop()
        control = service.policy.arms.names[0]
        for i, answer in made.items():
            line = json.dumps(log_record(service, answer, at=now), ensure_ascii=False).encode()
            tell = None
            if self.rules.acknowledge_written:
                writes[i] = loop.create_future()
                tell = _teller(loop, writes[i])
            decision = found[i]
            if not self.log.append(line, tell):
                writes.pop(i, None)
                answers[i] = _logged(answer, "shed")
                decision = _with(decision, Degraded.LOG)
            if isinstance(decision, Decision):
                self.metrics.count(decision, control)
                if decision.degraded:
                    _warn(answer, decision)
            if self.shadow is not None:
                self.shadow.offer(answer)
        if writes:
            await asyncio.wait(writes.values(), timeout=_WRITE_SECONDS)
            for i, write in writes.items():
                if write.done():
                    answers[i] = _logged(made[i], "written" if write.result() else "shed")

    def _scope(self, service: DecisionService, now: datetime) -> str:
        return scope_of(service.policy.campaign_id, self.rules.caps.period, now)


def _with(found: Found, part: Degraded) -> Found:
    if isinstance(found, UpliftError):
        return found
    return replace(found, degraded=(*found.degraded, part))


def _logged(answer: DecisionResponse, state: Logged) -> DecisionResponse:
    if state != "shed":
        return answer.model_copy(update={"logged": state})
    return answer.model_copy(update={"logged": state, "degraded": [*answer.degraded, Degraded.LOG]})


def _cost_micros(service: DecisionService, decision: Decision) -> int:
    """Expected spend; of a coupon given without a model, as if it were surely redeemed."""
    if decision.value is not None:
        return round(decision.value.cost_eur * MICROS)
    place, value = service.policy.arms.number_of(str(decision.treatment)) - 1, service.policy.value
    return round((value.contact_cost_eur[place] + value.redemption_cost_eur[place]) * MICROS)


def _digest(request: DecisionRequest) -> str:
    return hashlib.sha256(request.model_dump_json().encode()).hexdigest()


def _teller(
    loop: asyncio.AbstractEventLoop, write: "asyncio.Future[bool]"
) -> Callable[[bool], None]:
    def settle(is_written: bool) -> None:
        if not write.done():
            write.set_result(is_written)

    def tell(is_written: bool) -> None:
        loop.call_soon_threadsafe(settle, is_written)

    return tell


def _warn(answer: DecisionResponse, decision: Decision) -> None:
    """Neither customer nor features: the caller holds the decision_id."""
    event(
        _LOG,
        "decision.degraded",
        level=logging.WARNING,
        decision_id=answer.decision_id,
        degraded=[part.value for part in decision.degraded],
        fallback=None if decision.fallback is None else decision.fallback.value,
    )
