"""One customer: what is known, what is expected, and why."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path

from serving.access import MayScore
from serving.answers import bounds_of, data_of, value_of
from serving.contract import problems
from serving.dependencies import InOffice
from serving.schemas import CustomerResponse
from serving.schemas.decisions import ModelUsed
from serving.scoring import Explanation, explain, score_many
from serving.values import Ask, UnknownCustomerError
from uplift.errors import ModelNotReadyError, UpliftError
from uplift.features.encoder import FeatureEncoder

router = APIRouter(prefix="/v1", tags=["customers"])

CustomerId = Annotated[str, Path(min_length=1, max_length=256, description="Unit id.")]


@router.get("/customers/{user_id}", responses=problems(404, 422, 503))
def customer(user_id: CustomerId, office: InOffice, _: MayScore) -> CustomerResponse:
    """What the published run knows of a customer, and what each feature does to the uplift."""
    loaded = office.runs.loaded
    service = loaded.service
    try:
        is_suppressed = bool(office.suppressions.among([user_id]))
        known = None if is_suppressed else service.store.get(user_id)
    except UpliftError as error:
        raise ModelNotReadyError("the feature store cannot be read") from error
    if known is None:
        raise UnknownCustomerError("the published run does not know this customer.")
    (score,) = score_many(service, [Ask(user_id)])
    if isinstance(score, UpliftError):
        raise score
    matrix = np.array([known.features])
    why = Explanation({}, {})
    if loaded.explainer is not None:
        why = explain(service, loaded.explainer, matrix)
    return CustomerResponse(
        user_id=user_id,
        contactable=known.contactable,
        features=_spelled_out(service.model.encoder, known.features.tolist()),
        segment=score.segment,
        type_bounds=bounds_of(score.type_bounds),
        expected_outcome=score.expected_outcome,
        uplift=score.uplift,
        values=[value_of(value) for value in score.values],
        usual_uplift=why.usual,
        contributions=why.contributions,
        model=ModelUsed(version=service.model.version),
        data=data_of(service),
    )


def _spelled_out(encoder: FeatureEncoder, row: list[float]) -> dict[str, float | str | None]:
    spelled: dict[str, float | str | None] = {}
    for column, value in zip(encoder.columns, row, strict=True):
        if np.isnan(value):
            spelled[column.name] = None
        elif column.kind == "categorical":
            spelled[column.name] = encoder.categories[column.name][int(value)]
        else:
            spelled[column.name] = value
    return spelled
