"""Effects without a decision: nothing is counted, nothing is logged."""

from fastapi import APIRouter, Request

from serving.access import MayScore
from serving.answers import bounds_of, data_of, value_of
from serving.contract import problems
from serving.dependencies import InOffice
from serving.errors import problem_of
from serving.schemas import UpliftItem, UpliftRequest, UpliftResponse
from serving.schemas.decisions import ModelUsed
from serving.scoring import Score, score_many
from serving.values import Ask, UnknownCustomerError
from uplift.errors import UpliftError

router = APIRouter(prefix="/v1", tags=["uplift"])


@router.post("/uplift", responses=problems(400, 408, 413, 415, 422))
async def uplift(
    request: Request, question: UpliftRequest, office: InOffice, _: MayScore
) -> UpliftResponse:
    """What each coupon would change for each customer, and what that is worth."""
    service = office.desk.service
    asks = [
        Ask(one.user_id, one.features, question.campaign_id, contactable=one.contactable)
        for one in question.customers
    ]
    gone = office.suppressions.among(ask.unit_id for ask in asks)
    left = UnknownCustomerError("nothing is known of this customer now.")
    found = [
        left if ask.unit_id in gone else one
        for ask, one in zip(asks, score_many(service, asks), strict=True)
    ]
    return UpliftResponse(
        answers=[_item(request, a.unit_id, one) for a, one in zip(asks, found, strict=True)],
        model=ModelUsed(version=service.model.version),
        data=data_of(service),
        policy_version=service.policy.version,
    )


def _item(request: Request, user_id: str, found: Score | UpliftError) -> UpliftItem:
    if isinstance(found, UpliftError):
        return UpliftItem(user_id=user_id, problem=problem_of(request, found))
    return UpliftItem(
        user_id=user_id,
        segment=found.segment,
        expected_outcome=found.expected_outcome,
        uplift=found.uplift,
        values=[value_of(value) for value in found.values],
        type_bounds=bounds_of(found.type_bounds),
        degraded=list(found.degraded),
    )
