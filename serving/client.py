"""The service for Python callers: a time-out, retries that are safe, and an answer in any case.

    with DecisionClient("http://127.0.0.1:8000", key="upk_...") as client:
        decision = client.decide("c000000061", request_id="order-1009")
        if decision.treatment:
            ...

A checkout must not wait and must not fail. So ``decide`` raises only for mistakes of the caller;
when the service does not answer in time it returns the local fallback, and says so. Every request
has an id, so that a repeated one cannot be counted twice.
"""

import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx2

from serving.bucketing import Bucketing

_RETRIED = frozenset({408, 429, 502, 503, 504})


class CallerError(Exception):
    """The request is wrong, or the key is; trying again would not help.

    Attributes:
        status: Of the answer.
        code: Stable, see the contract.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{code} ({status}): {detail}")
        self.status, self.code = status, code


@dataclass(frozen=True)
class ClientDecision:
    """What to do with one customer.

    Attributes:
        treatment: Name of the coupon; None: nothing.
        value_eur: What stands on it.
        reason: Of the service's list; "local_fallback" if the service did not answer.
        propensity: Chance that the arm had.
        decision_id: Of the service; None for a local fallback, which nobody logs but the caller.
        answer: All that the service said.
    """

    treatment: str | None
    value_eur: float | None
    reason: str
    propensity: float
    decision_id: str | None
    answer: Mapping[str, Any]

    @property
    def is_local(self) -> bool:
        """Whether the service did not answer."""
        return self.decision_id is None


@dataclass(frozen=True)
class LocalFallback:
    """What to give when the service does not answer.

    Attributes:
        treatment: Name of the coupon; None: nothing.
        value_eur: What stands on it.
        holdout: How the policy draws its holdout, which gets nothing here either; None: nobody is
            held out.
    """

    treatment: str | None = None
    value_eur: float | None = None
    holdout: Bucketing | None = None

    def decide(self, user_id: str) -> ClientDecision:
        """The decision without the service: sticky, and with its chance."""
        share = 0.0 if self.holdout is None or self.treatment is None else self.holdout.share
        held = share > 0.0 and self.holdout is not None and self.holdout.draws(user_id)
        given = None if held else self.treatment
        return ClientDecision(
            treatment=given,
            value_eur=None if given is None else self.value_eur,
            reason="local_fallback",
            propensity=share if held else 1.0 - share,
            decision_id=None,
            answer={},
        )


class DecisionClient:
    """Asks the service. Safe to share between threads.

    Args:
        url: Of the service, without ``/v1``.
        key: For the header ``authorization``; None: none is sent.
        timeout_seconds: For one try.
        tries: At most so many.
        fallback: For when all tries fail.
        transport: How requests travel; None: over the network.
        sleep: Waits between tries.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout_seconds: float = 0.1,
        tries: int = 2,
        fallback: LocalFallback | None = None,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        self._http = httpx2.Client(
            base_url=url, headers=headers, timeout=timeout_seconds, transport=transport
        )
        self._tries, self._sleep = max(1, tries), sleep
        self._timeout = timeout_seconds
        self._fallback = fallback or LocalFallback()

    def decide(
        self,
        user_id: str,
        *,
        request_id: str | None = None,
        features: Mapping[str, float | str | None] | None = None,
        eligible: Sequence[str] | None = None,
        contactable: bool | None = None,
    ) -> ClientDecision:
        """The decision for one customer, in any case.

        Args:
            user_id: The customer.
            request_id: Of the order or the visit; None: a new one. The same id gets the same
                answer, and counts once.
            features: As of now, in place of those of the night.
            eligible: Coupons that may be given; None: all.
            contactable: Permission as of now; None: as the night knew it.

        Raises:
            CallerError: The request or the key is wrong.
        """
        body = {
            "user_id": user_id,
            "request_id": request_id or uuid.uuid4().hex,
            "features": dict(features or {}),
            "eligible": None if eligible is None else list(eligible),
            "contactable": contactable,
        }
        answer = self._ask(body)
        if answer is None:
            return self._fallback.decide(user_id)
        offer = answer["offer"] or {}
        return ClientDecision(
            treatment=offer.get("treatment"),
            value_eur=offer.get("value_eur"),
            reason=answer["reason"],
            propensity=answer["assignment"]["propensity"],
            decision_id=answer["decision_id"],
            answer=answer,
        )

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The service's answer, or None when it does not give one."""
        for attempt in range(self._tries):
            if attempt:  # a half to a whole time-out: many clients must not come again at once
                self._sleep(self._timeout * random.uniform(0.5, 1.0))
            try:
                reply = self._http.post("/v1/decisions", json=body)
                if reply.status_code == httpx2.codes.OK:
                    found: Mapping[str, Any] = reply.json()
                    return found
            except (httpx2.HTTPError, ValueError):
                continue
            if 400 <= reply.status_code < 500 and reply.status_code not in _RETRIED:
                raise _caller_error(reply)
        return None


def _caller_error(reply: httpx2.Response) -> CallerError:
    try:
        problem: Mapping[str, Any] = reply.json()
    except ValueError:
        problem = {}
    code, detail = problem.get("code", "unknown"), problem.get("detail", reply.reason_phrase)
    return CallerError(reply.status_code, str(code), str(detail))
