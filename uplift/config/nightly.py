"""The sections of a night: how runs are kept, where customers are looked up, what is watched."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from uplift.config.section import Count, NonNegative, Positive, Section, Share


class Publishing(Section):
    """How many runs are kept."""

    keep_runs: Count


class RedisSettings(Section):
    """The server that holds customers where ``online.store`` is redis."""

    url: Annotated[str, Field(pattern=r"^(redis|rediss|unix)://")]
    timeout_seconds: Positive
    lookup_seconds: Positive
    keep_seconds: Count


class Online(Section):
    """Where services look customers up."""

    store: Literal["embedded", "redis"]
    redis: RedisSettings


class Monitoring(Section):
    """What a night is asked before it is published, and where doubt and refusal begin."""

    bins: Annotated[int, Field(ge=2, le=100)]
    max_training_rows: Count
    psi_warn: NonNegative
    psi_fail: NonNegative
    missing_warn: Share
    missing_fail: Share
    volume_warn: NonNegative
    volume_fail: NonNegative
    migration_warn: Share
    migration_fail: Share
    segment_share_warn: Share
    segment_share_fail: Share
    holdout_p_value_warn: Share
    holdout_p_value_fail: Share
    override_failed_verdict_by: str | None

    @model_validator(mode="after")
    def _doubt_comes_before_refusal(self) -> Self:
        for question in ("psi", "missing", "volume", "migration", "segment_share"):
            warn, fail = getattr(self, f"{question}_warn"), getattr(self, f"{question}_fail")
            if warn > fail:
                raise ValueError(f"{question}_warn is {warn}, above {question}_fail ({fail})")
        if self.holdout_p_value_warn < self.holdout_p_value_fail:
            raise ValueError(
                f"holdout_p_value_warn is {self.holdout_p_value_warn}, below "
                f"holdout_p_value_fail ({self.holdout_p_value_fail})"
            )
        return self
