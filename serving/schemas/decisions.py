"""One customer, one decision: the request and the answer."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StrictBool

from serving.reasons import Degraded, Fallback, Group, OpenFeature, Reason
from serving.schemas.common import Features, Id, Message, Text


class DecisionRequest(Message):
    """Which coupon, if any, for this customer now?"""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"user_id": "u018"},
                {
                    "user_id": "u018",
                    "campaign_id": "coupon",
                    "request_id": "order-1009",
                    "features": {"age": 44},
                    "eligible": ["coupon_5"],
                    "explain": True,
                },
                {
                    "user_id": "guest-7",
                    "features": {"age": 30, "city": "Ulm"},
                    "contactable": True,
                },
            ]
        }
    )

    user_id: Annotated[Id, Field(description="Unit id, as in the customers table.")]
    campaign_id: Annotated[
        Text | None, Field(description="If given, it must be the campaign served here.")
    ] = None
    request_id: Annotated[
        Id | None,
        Field(description="Repeated, it gets its first answer back: safe to retry."),
    ] = None
    features: Features = Field(default_factory=dict)
    eligible: Annotated[
        list[Text] | None,
        Field(max_length=100, description="Coupons that may be given now; null: all of them."),
    ] = None
    contactable: Annotated[
        StrictBool | None,
        Field(
            description="Permission as of now; null: as the night knew it. With it and every "
            "feature a customer can be decided who is not in the published run."
        ),
    ] = None
    explain: Annotated[StrictBool, Field(description="Add `type_bounds`.")] = False


class Offer(Message):
    """The coupon to give."""

    treatment: str
    value_eur: Annotated[float, Field(description="Face value.")]


class Value(Message):
    """What the offer is worth; on hold, what the best coupon would be worth."""

    treatment: str
    gain_eur: Annotated[float, Field(description="Expected incremental margin.")]
    cost_eur: Annotated[float, Field(description="Expected spend.")]
    net_value_eur: Annotated[float, Field(description="gain - (1 + shadow price) x cost.")]
    shadow_price: Annotated[
        float, Field(description="What one more euro of budget would earn; 0: money is free.")
    ]


class Assignment(Message):
    """Who decided, and with what chance: log it, and every decision can be learned from."""

    group: Group
    propensity: Annotated[float, Field(description="Chance of the arm that was chosen.")]


class FallbackUsed(Message):
    """What was missing. The default is to hold: no money is spent on ignorance."""

    code: Fallback


class Bounds(Message):
    """What an experiment can know of one customer: bounds on the chance of a response type."""

    low: float
    high: float


class ModelUsed(Message):
    """The model that answered."""

    version: str


class DataUsed(Message):
    """The published run that the features come from."""

    run_id: str
    features_as_of: str


class DecisionResponse(Message):
    """The decision, why, and by which model, policy and data."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "decision_id": "8d8ac610-566d-4ef0-9c22-186b2a5ed793",
                    "user_id": "u018",
                    "campaign_id": "coupon",
                    "request_id": None,
                    "action": "offer",
                    "offer": {"treatment": "coupon_5", "value_eur": 5.0},
                    "reason": "net_value",
                    "openfeature_reason": "TARGETING_MATCH",
                    "segment": "persuadable",
                    "evidence": "strong",
                    "type_bounds": None,
                    "expected_outcome": {"no_coupon": 0.1, "coupon_5": 0.3, "coupon_10": 0.35},
                    "uplift": {"coupon_5": 0.2, "coupon_10": 0.25},
                    "value": {
                        "treatment": "coupon_5",
                        "gain_eur": 6.0,
                        "cost_eur": 1.6,
                        "net_value_eur": 2.8,
                        "shadow_price": 1.0,
                    },
                    "assignment": {"group": "policy", "propensity": 0.84},
                    "fallback": None,
                    "degraded": [],
                    "logged": "queued",
                    "model": {"version": "077be01f4bba"},
                    "data": {
                        "run_id": "20260601-7c884bcae760",
                        "features_as_of": "2026-06-01T00:00:00+00:00",
                    },
                    "policy_version": "f3d2c73328cc",
                }
            ]
        }
    )

    decision_id: str
    user_id: str
    campaign_id: str
    request_id: str | None
    action: Literal["offer", "hold"]
    offer: Offer | None
    reason: Annotated[Reason, Field(description="Of a closed list.")]
    openfeature_reason: Annotated[
        OpenFeature, Field(description="The same in the words of OpenFeature.")
    ]
    segment: str
    evidence: Annotated[
        Literal["strong", "weak"], Field(description="Whether the data bear the segment out.")
    ]
    type_bounds: Annotated[
        Mapping[str, Bounds] | None,
        Field(description="By response type, for the coupon under `value`; with `explain` only."),
    ]
    expected_outcome: Annotated[
        Mapping[str, float], Field(description="Chance of conversion, by arm, control first.")
    ]
    uplift: Annotated[
        Mapping[str, float], Field(description="Effect on the chance of conversion, by treatment.")
    ]
    value: Value | None
    assignment: Assignment
    fallback: FallbackUsed | None
    degraded: Annotated[
        list[Degraded], Field(description="Parts that did not work; empty on a good day.")
    ]
    logged: Annotated[
        Literal["queued", "written", "shed"],
        Field(description="Whether the decision log has it; `written` survives a killed process."),
    ]
    model: ModelUsed
    data: DataUsed
    policy_version: str
