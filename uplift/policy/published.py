"""A priced policy: all that a decision needs beside the model and the customer."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from uplift.arms import Arms
from uplift.errors import ContractError, VersionMismatchError
from uplift.policy.evidence import EffectIntervals
from uplift.policy.prices import Price, Prices
from uplift.policy.value import ValueRule

_VERSION = "version"


@dataclass(frozen=True)
class Policy:
    """The rule of one campaign as priced for one model on one night.

    Attributes:
        campaign_id: Names the campaign; each campaign draws its own holdout.
        arms: Names of the arms, control first.
        model_version: The model whose expectations the prices belong to.
        as_of: Time of the features it was priced on, ISO 8601.
        value: What an effect is worth and a coupon costs.
        shadow_price: What one more euro of budget would earn; 0 if the budget does not bind.
        budget_eur: Expected spend allowed on that night; None: no limit.
        holdout_share: Share of customers that is never targeted.
        exploration_share: Share of the others that gets an arm at random.
        salt: Another salt draws another holdout and other explorers.
        sure_thing_conversion: Chance without coupon from which on a unit converts anyway.
        harm_tolerance: Loss of conversion up to which harm is taken for noise.
        tie_shadow_price: The shadow price for a share of customers, see ``prices.Price``.
        tie_share: That share.
        arm_prices: Of sending treatment 1..K, euro each; empty: no coupon is capped.
        group_attribute: Attribute of the customer that names the group; None: there are none.
        group_prices: Of sending a coupon to a customer of the group, euro; negative: a subsidy.
        intervals: How sure the model's effects are, for the evidence of a segment.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    campaign_id: str
    arms: Arms
    model_version: str
    as_of: str
    value: ValueRule
    shadow_price: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
    budget_eur: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None
    holdout_share: Annotated[float, Field(ge=0.0, lt=1.0)]
    exploration_share: Annotated[float, Field(ge=0.0, lt=1.0)]
    salt: str
    sure_thing_conversion: Annotated[float, Field(ge=0.0, le=1.0)]
    harm_tolerance: Annotated[float, Field(ge=0.0, le=1.0)]
    tie_shadow_price: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.0
    tie_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    arm_prices: tuple[Price, ...] = ()
    group_attribute: str | None = None
    group_prices: Mapping[str, Price] = field(default_factory=dict)
    intervals: EffectIntervals = field(default_factory=EffectIntervals)

    def __post_init__(self) -> None:
        if self.arms.n_treatments != self.value.n_treatments:
            raise VersionMismatchError(
                f"the policy of campaign {self.campaign_id!r} has prices for "
                f"{self.value.n_treatments} treatments, its arms are {list(self.arms.names)}. "
                "Run jobs/assign_coupons again."
            )

    @cached_property
    def prices(self) -> Prices:
        """All prices that decide."""
        budget = Price(self.shadow_price, self.tie_shadow_price, self.tie_share)
        return Prices(budget, self.arm_prices, self.group_prices)

    def at(self, prices: Prices) -> "Policy":
        """The same policy at other prices."""
        return replace(
            self,
            shadow_price=prices.budget.price,
            tie_shadow_price=prices.budget.tie_price,
            tie_share=prices.budget.tie_share,
            arm_prices=prices.arms,
            group_prices=prices.groups,
        )

    @cached_property
    def version(self) -> str:
        """First 12 hex digits of SHA-256 over the content."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_document(self) -> dict[str, object]:
        """The policy as JSON values, with its version."""
        return {**asdict(self), _VERSION: self.version}

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> "Policy":
        """The policy that ``to_document`` described.

        Raises:
            ContractError: A key is unknown, missing, or holds a value out of bounds.
            VersionMismatchError: The content is not what the version was computed from.
        """
        content = {key: value for key, value in document.items() if key != _VERSION}
        try:
            policy = TypeAdapter(cls).validate_python(content)
        except ValidationError as error:
            raise ContractError(_explain(error)) from error
        stated = document.get(_VERSION)
        if stated != policy.version:
            raise VersionMismatchError(
                f"the policy document says version {stated!r}, but its content has version "
                f"{policy.version!r}: it was changed by hand. Run jobs/assign_coupons again."
            )
        return policy

    def require_model(self, version: str) -> None:
        """Refuse a model that this policy was not priced for."""
        if version != self.model_version:
            raise VersionMismatchError(
                f"policy {self.version!r} was priced for model {self.model_version!r}, the model "
                f"is {version!r}; none of its decisions would be right. Run jobs/score_customers "
                "and jobs/assign_coupons with this model."
            )


def _explain(error: ValidationError) -> str:
    faults = [_fault(item) for item in error.errors(include_url=False)]
    return (
        f"the policy document has {len(faults)} faults: {'; '.join(faults)}. "
        "Run jobs/assign_coupons again."
    )


def _fault(item: ErrorDetails) -> str:
    where = f"`{'.'.join(map(str, item['loc']))}`"
    if item["type"] == "missing":
        return f"{where} is missing"
    if item["type"] == "unexpected_keyword_argument":
        return f"{where} is unknown"
    return f"{where} = {item['input']!r}: {item['msg'].lower()}"
