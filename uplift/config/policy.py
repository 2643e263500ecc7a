"""The shape of ``segments`` and ``policy``: what customers are called, and who gets what."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from uplift.config.section import Count, Name, NonNegative, Section, Share


class PayOffs(Section):
    """Worth of treating one customer of each response type, any sign, any unit."""

    persuadable: float
    sure_thing: float
    lost_cause: float
    sleeping_dog: float


class Segments(Section):
    """Where sure things part from lost causes, and noise from sleeping dogs."""

    sure_thing_conversion: Share | None
    harm_tolerance: Share
    evidence_bins: Annotated[int, Field(ge=1, le=100)] = 5
    monotone: bool = False
    pay_offs: PayOffs | None = None


class GroupShares(Section):
    """Least and greatest share of a group's customers who are sent a coupon."""

    least: Share = 0.0
    most: Share = 1.0

    @model_validator(mode="after")
    def _least_is_not_above_most(self) -> "GroupShares":
        if self.least > self.most:
            raise ValueError(f"least {self.least:g} is above most {self.most:g}")
        return self


class Groups(Section):
    """Limits by an attribute of the customer, which must be a static feature."""

    attribute: Name
    shares: Annotated[dict[str, GroupShares], Field(min_length=1)]


class Eligibility(Section):
    """Whom the campaign may send nothing, beside permission and holdout."""

    suppression: Path | None = None
    contacts: Path | None = None
    window_days: Count = 30
    most_contacts: Count | None = None
    exclusive_campaigns: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _rules_on_contacts_have_contacts(self) -> "Eligibility":
        if self.contacts is None and (self.most_contacts or self.exclusive_campaigns):
            raise ValueError("most_contacts and exclusive_campaigns need the table contacts")
        return self


class PolicyRules(Section):
    """Who gets what tonight."""

    budget_eur: NonNegative | None
    max_coupons: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    groups: Groups | None = None
    eligibility: Eligibility = Eligibility()
    what_if_points: Annotated[int, Field(ge=2, le=100)] = 20
    holdout_share: Annotated[float, Field(ge=0.0, lt=1.0)]
    exploration_share: Annotated[float, Field(ge=0.0, lt=1.0)]
    salt: str
