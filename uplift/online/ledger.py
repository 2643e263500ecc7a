"""The seam: what several replicas must agree on, whoever keeps it.

Decisions need no memory: the same customer, campaign and policy give the same answer anywhere. Two
things do. A cap is a count of what all replicas gave, and a request id that comes again gets the
answer that it got first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from uplift.errors import UpliftError

MICROS = 1_000_000  # spend is counted in whole millionths of a euro: sums are exact everywhere

Verdict: TypeAlias = Literal["granted", "coupon_cap", "total_cap", "spend_cap"]


class LedgerUnavailableError(UpliftError):
    """The ledger does not answer, or not in time."""


@dataclass(frozen=True)
class Limits:
    """What may be given at most; None and absent coupons: without limit.

    Attributes:
        offers: By name of the coupon.
        total_offers: Of all coupons.
        total_spend_micros: Expected spend of all coupons, millionths of a euro.
    """

    offers: Mapping[str, int] = field(default_factory=dict)
    total_offers: int | None = None
    total_spend_micros: int | None = None


@dataclass(frozen=True)
class Claim:
    """One customer is about to get one coupon. Claimed again it counts once."""

    unit_id: str
    treatment: str
    cost_micros: int


@dataclass(frozen=True)
class Answer:
    """What a request id was answered.

    Attributes:
        request_id: As the caller gave it.
        question: Digest of the request; another question under the same id is a mistake.
        text: The answer.
    """

    request_id: str
    question: str
    text: str


@dataclass(frozen=True)
class Spent:
    """What was given so far in a scope."""

    offers: int
    spend_micros: int


class Ledger(Protocol):
    """Counts and first answers. Every method raises ``LedgerUnavailableError`` if it cannot."""

    async def claim(self, scope: str, claims: Sequence[Claim], limits: Limits) -> list[Verdict]:
        """Count each claim if no limit forbids it; all replicas see one order of claims.

        Args:
            scope: What is counted together: a campaign, or a day of it.
            claims: Any number; each is judged after those before it.
            limits: The same for all replicas.
        """
        ...

    async def remember(self, scope: str, answers: Sequence[Answer], seconds: int) -> list[Answer]:
        """The answer that each request id got first: the one given here, if it is new."""
        ...

    async def spent(self, scope: str) -> Spent:
        """What was given so far."""
        ...

    async def close(self) -> None:
        """Let go of files and connections. A second call does nothing."""
        ...
