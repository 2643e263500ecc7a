"""What a decision needs beside the run: caps that all replicas share, and first answers."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from serving.pacing import Pace, scope_of
from serving.reasons import Degraded, Fallback, Reason
from serving.schemas.decisions import DecisionRequest, DecisionResponse
from serving.service import DecisionService
from serving.values import Decision, RequestIdReusedError
from uplift.config import Caps
from uplift.errors import UpliftError
from uplift.online.ledger import MICROS, Answer, Claim, Ledger, LedgerUnavailableError, Limits

Found: TypeAlias = Decision | UpliftError

_DENIED = {
    "coupon_cap": Reason.COUPON_CAP,
    "total_cap": Reason.TOTAL_CAP,
    "spend_cap": Reason.SPEND_CAP,
}


class Keeper:
    """Keeps caps and first answers in a ledger, and the price of the budget by what was spent.

    Args:
        ledger: Shared with all replicas.
        caps: What may be given at most.
        pace: How the price follows the spend; None: it stays.
        remember_seconds: How long a request id gets its first answer back.
    """

    def __init__(
        self, ledger: Ledger, caps: Caps, *, pace: Pace | None, remember_seconds: int
    ) -> None:
        self.caps, self.dearer = caps, 1.0
        self._ledger, self._pace, self._remember_seconds = ledger, pace, remember_seconds
        spend = caps.total_spend_eur
        self._limits = Limits(
            offers=caps.offers,
            total_offers=caps.total_offers,
            total_spend_micros=None if spend is None else round(spend * MICROS),
        )

    async def within_caps(
        self,
        service: DecisionService,
        requests: Sequence[DecisionRequest],
        found: Sequence[Found],
        now: datetime,
    ) -> list[Found]:
        """Each coupon counted against its caps, or taken back. Without the ledger all are."""
        if not self.caps.any:
            return list(found)
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
            verdicts = await self._ledger.claim(self._scope(service, now), claims, self._limits)
        except LedgerUnavailableError:
            for i, one in offers.items():
                held = replace(one.held(Reason.FALLBACK), fallback=Fallback.LEDGER_UNAVAILABLE)
                kept[i] = with_part(held, Degraded.LEDGER)
            return kept
        for (i, one), verdict in zip(offers.items(), verdicts, strict=True):
            if verdict != "granted":
                kept[i] = one.held(_DENIED[verdict])
        return kept

    async def first_answers(
        self,
        service: DecisionService,
        requests: Sequence[DecisionRequest],
        answers: Sequence[DecisionResponse | UpliftError],
    ) -> tuple[list[DecisionResponse | UpliftError], dict[int, DecisionResponse]]:
        """For a repeated request id the answer that it got first; and which answers are new."""
        made = {i: one for i, one in enumerate(answers) if isinstance(one, DecisionResponse)}
        named = {i: one for i, one in made.items() if one.request_id is not None}
        final = list(answers)
        if not named:
            return final, made
        try:
            firsts = await self._ledger.remember(
                service.policy.campaign_id,
                [
                    Answer(str(one.request_id), _digest(requests[i]), one.model_dump_json())
                    for i, one in named.items()
                ],
                self._remember_seconds,
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

    async def adjust_price(self, service: DecisionService, now: datetime) -> None:
        """Move the price of the budget to what the day's spend asks for."""
        if self._pace is None:
            return
        try:
            spent = await self._ledger.spent(self._scope(service, now))
        except LedgerUnavailableError:
            return  # the last price stays
        self.dearer = self._pace.factor(spent.spend_micros, now)

    async def close(self) -> None:
        """Let go of the ledger."""
        await self._ledger.close()

    def _scope(self, service: DecisionService, now: datetime) -> str:
        return scope_of(service.policy.campaign_id, self.caps.period, now)


def with_part(found: Found, part: Degraded) -> Found:
    """The same, saying that a part did not work."""
    if isinstance(found, UpliftError):
        return found
    return replace(found, degraded=(*found.degraded, part))


def _cost_micros(service: DecisionService, decision: Decision) -> int:
    """Expected spend; of a coupon given without a model, as if it were surely redeemed."""
    if decision.value is not None:
        return round(decision.value.cost_eur * MICROS)
    place, value = service.policy.arms.number_of(str(decision.treatment)) - 1, service.policy.value
    return round((value.contact_cost_eur[place] + value.redemption_cost_eur[place]) * MICROS)


def _digest(request: DecisionRequest) -> str:
    return hashlib.sha256(request.model_dump_json().encode()).hexdigest()
