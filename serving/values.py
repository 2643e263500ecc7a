"""What is asked of the service and what it answers: values, no HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from serving.reasons import GROUP, Degraded, Fallback, Group, Reason
from uplift.errors import ContractError

FeatureValue: TypeAlias = float | str | None
Strength: TypeAlias = Literal["strong", "weak"]
Matrix: TypeAlias = npt.NDArray[np.float64]


class UnknownCampaignError(ContractError):
    """A request asks for a campaign that this service does not decide for."""


class UnknownArmError(ContractError):
    """A request names a coupon that the campaign does not have."""


class UnknownCustomerError(ContractError):
    """Nothing is known of a customer, and the request does not bring all that is needed."""


class RequestIdReusedError(ContractError):
    """A request id comes again with another question."""


class FeatureError(ContractError):
    """A request brings a feature that the model does not have, or of the wrong kind."""


@dataclass(frozen=True)
class Ask:
    """What somebody wants to know of one customer.

    Attributes:
        unit_id: The customer.
        features: As of now, in place of those of the night.
        campaign_id: If given, it must be the campaign of this service.
        eligible: Coupons that may be given now; None: all.
        contactable: Whether anything may be given at all; None: as the night knew it.
    """

    unit_id: str
    features: Mapping[str, FeatureValue] = field(default_factory=dict)
    campaign_id: str | None = None
    eligible: Sequence[str] | None = None
    contactable: bool | None = None


@dataclass(frozen=True)
class Valuation:
    """What the coupon given is worth; if none is given, what the best one would be."""

    treatment: str
    gain_eur: float
    cost_eur: float
    net_value_eur: float
    shadow_price: float


@dataclass(frozen=True)
class Decision:
    """The arm for one customer, and why.

    Attributes:
        treatment: Name of the coupon; None holds it back.
        segment: Response segment; "unknown" after a fallback.
        evidence: Whether the data bear the segment out.
        reason: Of the closed list.
        propensity: Chance that the arm had.
        expected_outcome: Chance of conversion by arm; empty after a fallback.
        uplift: Effect on it by treatment; empty after a fallback.
        value: In euro; None after a fallback.
        fallback: What was missing, if anything was.
        degraded: What did not work on the way.
    """

    treatment: str | None
    segment: str
    reason: Reason
    propensity: float
    expected_outcome: Mapping[str, float] = field(default_factory=dict)
    uplift: Mapping[str, float] = field(default_factory=dict)
    value: Valuation | None = None
    evidence: Strength = "weak"
    fallback: Fallback | None = None
    degraded: tuple[Degraded, ...] = ()

    @property
    def group(self) -> Group:
        """Who decided: the policy, chance, or nobody because nothing may be given."""
        return GROUP[self.reason]

    def held(self, reason: Reason) -> "Decision":
        """The same customer with nothing given, for certain."""
        return replace(self, treatment=None, reason=reason, propensity=1.0)


@dataclass(frozen=True)
class Known:
    """One customer ready to be scored: encoded features of shape (1, d), and the permission."""

    ask: Ask
    features: Matrix
    contactable: bool
    degraded: tuple[Degraded, ...]
