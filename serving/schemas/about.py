"""What serves, whom it knows, and whether it is well."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from serving.reasons import Degraded
from serving.schemas.common import Message
from serving.schemas.decisions import Bounds, DataUsed, ModelUsed, Value


class Segment(Message):
    """One response segment of the current run."""

    segment: str
    customers: int
    share: float
    offers: Annotated[int, Field(description="Customers that the batch gave a coupon.")]


class SegmentsResponse(Message):
    """The segments of the current run."""

    run_id: str
    campaign_id: str
    features_as_of: str
    customers: int
    segments: list[Segment]


class Live(Message):
    """The process answers."""

    status: Literal["live"] = "live"


class Ready(Message):
    """Decisions are being made, by these versions."""

    status: Literal["ready"] = "ready"
    run_id: str
    model_version: str
    policy_version: str
    degraded: Annotated[
        list[Degraded], Field(description="`run`: a newer run was refused; see the log.")
    ]


class CustomerResponse(Message):
    """What is known of a customer, what the model expects, and why."""

    user_id: str
    contactable: bool
    features: Annotated[
        Mapping[str, float | str | None], Field(description="As the model sees them.")
    ]
    segment: str
    type_bounds: Annotated[
        Mapping[str, Bounds], Field(description="Bounds, for the coupon that is worth most.")
    ]
    expected_outcome: Mapping[str, float]
    uplift: Mapping[str, float]
    values: list[Value]
    usual_uplift: Annotated[
        Mapping[str, float], Field(description="Where the contributions start, by treatment.")
    ]
    contributions: Annotated[
        Mapping[str, Mapping[str, float]],
        Field(
            description="By treatment, what each feature adds to the usual uplift, largest first; "
            "together they are the uplift (Shapley values)."
        ),
    ]
    model: ModelUsed
    data: DataUsed


class FeatureDeclared(Message):
    """One feature of the model."""

    name: str
    kind: Literal["numeric", "categorical"]
    categories: list[str] | None


class ModelResponse(Message):
    """The model that answers."""

    version: str
    run_id: str
    features_as_of: str
    arms: list[str]
    outcomes: list[str]
    features: list[FeatureDeclared]
    metadata: Annotated[Mapping[str, str], Field(description="Remarks on how it was fitted.")]


class CouponTerms(Message):
    """One coupon, and what it costs."""

    treatment: str
    face_value_eur: float
    contact_cost_eur: float
    redemption_cost_eur: float
    cap_offers: int | None


class PolicyResponse(Message):
    """The policy that decides, and the caps that stop it."""

    version: str
    campaign_id: str
    model_version: str
    run_id: str
    control: str
    coupons: list[CouponTerms]
    basis: str
    shadow_price: float
    price_factor: Annotated[float, Field(description="On 1 + shadow price, from pacing.")]
    budget_eur: float | None
    holdout_share: float
    exploration_share: float
    sure_thing_conversion: float
    harm_tolerance: float
    cap_period: str
    cap_total_offers: int | None
    cap_total_spend_eur: float | None
    fallback_treatment: str | None


class ReloadResponse(Message):
    """What a look at the pointer came to."""

    outcome: Literal["unchanged", "loaded", "refused"]
    run_id: str
