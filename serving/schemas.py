"""What goes over the wire: closed, checked, with examples that the tests replay."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from serving.service import Fallback, FeatureValue, Group


class Message(BaseModel):
    """A part of a request or an answer: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _feature_value(value: object) -> FeatureValue:
    if value is None or isinstance(value, str):
        return value
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (OverflowError, TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise PydanticCustomError("feature_value", "Give a finite number, text or null")
    return number


Text = Annotated[str, Field(min_length=1, max_length=256)]
WireValue = Annotated[
    FeatureValue,
    BeforeValidator(_feature_value),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]}),
]


class DecisionRequest(Message):
    """Which coupon, if any, for this customer now?"""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"user_id": "u018"},
                {"user_id": "u018", "campaign_id": "coupon", "features": {"age": 44}},
            ]
        }
    )

    user_id: Annotated[Text, Field(description="Unit id, as in the customers table.")]
    campaign_id: Annotated[
        Text | None, Field(description="If given, it must be the campaign served here.")
    ] = None
    features: Annotated[
        dict[Text, WireValue],
        Field(
            max_length=1000,
            description="Features as of now, in place of those of the night; null: not known.",
        ),
    ] = {}


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
                    "action": "offer",
                    "offer": {"treatment": "coupon_5", "value_eur": 5.0},
                    "segment": "persuadable",
                    "evidence": "strong",
                    "uplift": {"coupon_5": 0.2, "coupon_10": 0.25},
                    "value": {
                        "treatment": "coupon_5",
                        "gain_eur": 6.0,
                        "cost_eur": 1.6,
                        "net_value_eur": 2.8,
                        "shadow_price": 1.0,
                    },
                    "assignment": {"group": "policy", "propensity": 0.84},
                    "reason": "net_value",
                    "fallback": None,
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
    action: Literal["offer", "hold"]
    offer: Offer | None
    segment: str
    evidence: Annotated[
        Literal["strong", "weak"], Field(description="Whether the data bear the segment out.")
    ]
    uplift: Annotated[
        Mapping[str, float], Field(description="Effect on the chance of conversion, by treatment.")
    ]
    value: Value | None
    assignment: Assignment
    reason: str
    fallback: FallbackUsed | None
    model: ModelUsed
    data: DataUsed
    policy_version: str


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


class Fault(Message):
    """One thing wrong with a request."""

    pointer: Annotated[str, Field(description="JSON pointer into the body.")]
    code: str
    message: str


class Problem(Message):
    """RFC 9457: what every answer but a 2xx looks like."""

    type: str
    title: str
    status: int
    detail: str
    instance: Annotated[str, Field(description="Path of the request.")]
    errors: list[Fault] = []
