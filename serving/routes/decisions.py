"""One customer or a thousand, a decision for each."""

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter, ValidationError

from serving.access import MayDecide
from serving.contract import problems
from serving.dependencies import InOffice
from serving.errors import problem_of, problem_of_item
from serving.schemas import (
    BatchItem,
    BatchRequest,
    BatchResponse,
    DecisionRequest,
    DecisionResponse,
    Problem,
)
from uplift.errors import UpliftError

_JSON = "application/json"
_ITEM = TypeAdapter(DecisionRequest)

router = APIRouter(prefix="/v1", tags=["decisions"])


@router.post(
    "/decisions", response_model=DecisionResponse, responses=problems(400, 404, 408, 413, 415, 422)
)
async def decide(request: DecisionRequest, office: InOffice, _: MayDecide) -> Response:
    """Choose a coupon, or none, for one customer.

    The answer is that of the nightly batch unless features are overridden, and the same on every
    replica. A customer who is not in the published run gets a hold with `fallback.code`
    USER_UNKNOWN, unless the request brings every feature and `contactable`.
    """
    # `async`, though it computes: less time than a thread pool would cost.
    (answer,) = await office.desk.decide([request])
    if isinstance(answer, UpliftError):
        raise answer
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.post(
    "/decisions/batch",
    response_model=BatchResponse,
    responses=problems(400, 408, 413, 415, 422),
)
async def decide_batch(
    request: Request, batch: BatchRequest, office: InOffice, _: MayDecide
) -> Response:
    """Choose for up to 1,000 customers; what is wrong with one does not stop the others."""
    items: list[DecisionRequest | Problem] = []
    for raw in batch.requests:
        try:
            items.append(_ITEM.validate_python(raw))
        except ValidationError as error:
            items.append(problem_of_item(request, error))
    valid = [item for item in items if isinstance(item, DecisionRequest)]
    decided = iter(await office.desk.decide(valid) if valid else [])
    answers = []
    for item in items:
        found = next(decided) if isinstance(item, DecisionRequest) else item
        if isinstance(found, UpliftError):
            found = problem_of(request, found)
        decision, problem = (None, found) if isinstance(found, Problem) else (found, None)
        answers.append(BatchItem.model_construct(decision=decision, problem=problem))
    n_problems = sum(answer.problem is not None for answer in answers)
    answer = BatchResponse.model_construct(answers=answers, n_problems=n_problems)
    return Response(answer.model_dump_json(), media_type=_JSON)
