"""From values to messages."""

from collections.abc import Mapping
from datetime import UTC, datetime

from serving.reasons import OPEN_FEATURE
from serving.schemas.decisions import (
    Assignment,
    Bounds,
    DataUsed,
    DecisionRequest,
    DecisionResponse,
    FallbackUsed,
    ModelUsed,
    Offer,
    Value,
)
from serving.scoring import type_bounds
from serving.service import DecisionService
from serving.values import Ask, Decision, Valuation


def ask_of(request: DecisionRequest) -> Ask:
    """What the request asks."""
    return Ask(
        unit_id=request.user_id,
        features=request.features,
        campaign_id=request.campaign_id,
        eligible=request.eligible,
        contactable=request.contactable,
    )


def decision_response(
    service: DecisionService, request: DecisionRequest, decision: Decision, decision_id: str
) -> DecisionResponse:
    """The answer."""
    offer = None
    if decision.treatment is not None:
        offer = Offer(
            treatment=decision.treatment, value_eur=service.face_value_eur[decision.treatment]
        )
    bounds = None
    if request.explain and decision.value is not None:
        bounds = bounds_of(type_bounds(decision.expected_outcome, decision.value.treatment))
    return DecisionResponse(
        decision_id=decision_id,
        user_id=request.user_id,
        campaign_id=service.policy.campaign_id,
        request_id=request.request_id,
        action="hold" if offer is None else "offer",
        offer=offer,
        reason=decision.reason,
        openfeature_reason=OPEN_FEATURE[decision.reason],
        segment=decision.segment,
        evidence=decision.evidence,
        type_bounds=bounds,
        expected_outcome=decision.expected_outcome,
        uplift=decision.uplift,
        value=None if decision.value is None else value_of(decision.value),
        assignment=Assignment(group=decision.group, propensity=decision.propensity),
        fallback=None if decision.fallback is None else FallbackUsed(code=decision.fallback),
        degraded=list(decision.degraded),
        logged="queued",
        model=ModelUsed(version=service.model.version),
        data=data_of(service),
        policy_version=service.policy.version,
    )


def log_record(
    service: DecisionService, answer: DecisionResponse, *, at: datetime
) -> dict[str, object]:
    """The decision as a row of ``assignments``, and what is needed to learn from it. No features.

    ``arm`` holds a name, as raw assignments do; ``experiment_id`` is the campaign.
    """
    control = service.policy.arms.names[0]
    return {
        "experiment_id": answer.campaign_id,
        "unit_id": answer.user_id,
        "arm": control if answer.offer is None else answer.offer.treatment,
        "assigned_at": at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "propensity": answer.assignment.propensity,
        "cluster_id": None,
        "decision_id": answer.decision_id,
        "request_id": answer.request_id,
        "assigned_by": answer.assignment.group,
        "reason": answer.reason.value,
        "segment": answer.segment,
        "fallback": None if answer.fallback is None else answer.fallback.code.value,
        "shadow_price": None if answer.value is None else answer.value.shadow_price,
        "expected_cost_eur": answer.value.cost_eur if answer.offer and answer.value else 0.0,
        "model_version": answer.model.version,
        "policy_version": answer.policy_version,
        "run_id": answer.data.run_id,
    }


def value_of(value: Valuation) -> Value:
    """One coupon's worth."""
    return Value(**vars(value))


def bounds_of(found: Mapping[str, tuple[float, float]]) -> dict[str, Bounds]:
    """Bounds by response type."""
    return {name: Bounds(low=low, high=high) for name, (low, high) in found.items()}


def data_of(service: DecisionService) -> DataUsed:
    """The run that answered."""
    return DataUsed(run_id=service.run_id, features_as_of=service.facts.as_of.isoformat())
