"""Many customers in one request; what is wrong with one of them does not stop the others."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import ConfigDict, Field, StrictBool, WithJsonSchema

from serving.reasons import Degraded
from serving.schemas.common import Features, Id, Message, Problem, Text
from serving.schemas.decisions import Bounds, DataUsed, DecisionResponse, ModelUsed, Value

MAX_ITEMS = 1000


class BatchRequest(Message):
    """Up to 1,000 requests, each as for a single decision."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"requests": [{"user_id": "u018"}, {"user_id": "u019", "agee": 44}]}]
        }
    )

    requests: Annotated[
        list[Annotated[dict[str, object], WithJsonSchema({"type": "object"})]],
        Field(
            min_length=1,
            max_length=MAX_ITEMS,
            description="Each as the body of `POST /v1/decisions`; one that is not valid has its "
            "problem in its place.",
        ),
    ]


class BatchItem(Message):
    """A decision, or what was wrong with its request."""

    decision: DecisionResponse | None
    problem: Problem | None


class BatchResponse(Message):
    """Answers in the order of the requests."""

    answers: list[BatchItem]
    n_problems: int


class UpliftCustomer(Message):
    """One customer to be scored."""

    user_id: Annotated[Id, Field(description="Unit id, as in the customers table.")]
    features: Features = Field(default_factory=dict)
    contactable: Annotated[
        StrictBool | None,
        Field(description="Needed, with every feature, for who is not in the published run."),
    ] = None


class UpliftRequest(Message):
    """Effects for up to 1,000 customers, without a decision and without a trace."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"customers": [{"user_id": "u018"}]},
                {
                    "campaign_id": "coupon",
                    "customers": [{"user_id": "u018", "features": {"age": 44}}],
                },
            ]
        }
    )

    customers: Annotated[list[UpliftCustomer], Field(min_length=1, max_length=MAX_ITEMS)]
    campaign_id: Annotated[
        Text | None, Field(description="If given, it must be the campaign served here.")
    ] = None


class UpliftItem(Message):
    """One customer's expectations, or why there are none."""

    user_id: str
    segment: str | None = None
    expected_outcome: Mapping[str, float] = Field(default_factory=dict)
    uplift: Mapping[str, float] = Field(default_factory=dict)
    values: list[Value] = Field(
        default_factory=list, description="What each coupon would be worth, in the order of arms."
    )
    type_bounds: Mapping[str, Bounds] = Field(
        default_factory=dict, description="Bounds, for the coupon that is worth most."
    )
    degraded: list[Degraded] = Field(default_factory=list)
    problem: Problem | None = None


class UpliftResponse(Message):
    """Answers in the order of the customers."""

    answers: list[UpliftItem]
    model: ModelUsed
    data: DataUsed
    policy_version: str
