"""The section ``serving``: where the decision API listens, what it may spend, what it keeps."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from uplift.config.section import Count, NonNegative, Positive, Section, Share

Factor = Annotated[float, Field(ge=1.0)]


class RequestLimits(Section):
    """What requests may take at most, one by one and all together."""

    in_flight: Count
    lag_ms: Positive
    body_bytes: Count
    batch_body_bytes: Count
    batch_items: Annotated[int, Field(ge=1, le=10_000)]
    body_seconds: Positive
    drain_seconds: Positive


class Keys(Section):
    """Who may ask, and how often."""

    file: Path | None
    requests_per_second: Positive | None


class Ledger(Section):
    """Where counts and first answers stand that several processes must agree on."""

    store: Literal["embedded", "redis"]
    url: Annotated[str, Field(pattern=r"^(redis|rediss|unix)://")]
    timeout_seconds: Positive
    remember_seconds: Count


class Caps(Section):
    """What may be given at most in a period, by all replicas together."""

    period: Literal["day", "campaign"]
    offers: dict[str, Annotated[int, Field(ge=0)]]
    total_offers: Annotated[int, Field(ge=0)] | None
    total_spend_eur: NonNegative | None

    @property
    def any(self) -> bool:
        """Whether anything is capped."""
        return bool(self.offers) or not (self.total_offers is None and self.total_spend_eur is None)


class Pacing(Section):
    """How the price of the budget follows the spend of the day."""

    enabled: bool
    adjust_seconds: Positive
    gain: Positive
    least: Share
    most: Factor


class DecisionLogging(Section):
    """The files that the next experiment is read from."""

    acknowledge: Literal["queued", "written"]
    queue: Count
    flush_ms: Positive
    rotate_seconds: Positive
    rotate_bytes: Count


class Shadow(Section):
    """A challenger that decides beside the champion and is never obeyed."""

    published: Path | None
    share: Share


class Serving(Section):
    """The decision API."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    reload_seconds: Positive
    golden_rows: Annotated[int, Field(ge=0)]
    fallback_treatment: str | None
    log_requests: bool
    limits: RequestLimits
    keys: Keys
    ledger: Ledger
    caps: Caps
    pacing: Pacing
    decision_log: DecisionLogging
    shadow: Shadow

    @model_validator(mode="after")
    def _pacing_has_something_to_pace(self) -> Self:
        if self.pacing.enabled and not (self.caps.total_spend_eur and self.caps.period == "day"):
            raise ValueError(
                "pacing spreads a day's spend, but no such spend is capped; set "
                "`serving.caps.total_spend_eur` with `serving.caps.period: day`"
            )
        return self
