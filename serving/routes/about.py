"""The model and the policy that answer, and how to make the service look for newer ones."""

from typing import Literal, cast

from fastapi import APIRouter

from serving.access import HasKey, MayAdminister
from serving.dependencies import InOffice
from serving.schemas import ModelResponse, PolicyResponse, ReloadResponse
from serving.schemas.about import CouponTerms, FeatureDeclared

router = APIRouter(prefix="/v1", tags=["model and policy"])


@router.get("/model")
async def model(office: InOffice, _: HasKey) -> ModelResponse:
    """The model that answers: its version, features and arms."""
    service = office.desk.service
    encoder = service.model.encoder
    return ModelResponse(
        version=service.model.version,
        run_id=service.run_id,
        features_as_of=service.facts.as_of.isoformat(),
        arms=list(service.model.arms.names),
        outcomes=list(service.model.outcomes),
        features=[
            FeatureDeclared(
                name=column.name,
                kind=column.kind,
                categories=list(encoder.categories[column.name])
                if column.kind == "categorical"
                else None,
            )
            for column in encoder.columns
        ],
        metadata=service.model.metadata,
    )


@router.get("/policy")
async def policy(office: InOffice, _: HasKey) -> PolicyResponse:
    """The policy that decides: prices, shares and caps."""
    service, caps = office.desk.service, office.desk.keeper.caps
    rule, value = service.policy, service.policy.value
    return PolicyResponse(
        version=rule.version,
        campaign_id=rule.campaign_id,
        model_version=rule.model_version,
        run_id=service.run_id,
        control=rule.arms.names[0],
        coupons=[
            CouponTerms(
                treatment=name,
                face_value_eur=service.face_value_eur[name],
                contact_cost_eur=value.contact_cost_eur[place],
                redemption_cost_eur=value.redemption_cost_eur[place],
                cap_offers=caps.offers.get(name),
            )
            for place, name in enumerate(rule.arms.treatments)
        ],
        basis=value.basis,
        shadow_price=rule.shadow_price,
        price_factor=office.desk.dearer,
        budget_eur=rule.budget_eur,
        holdout_share=rule.holdout_share,
        exploration_share=rule.exploration_share,
        sure_thing_conversion=rule.sure_thing_conversion,
        harm_tolerance=rule.harm_tolerance,
        cap_period=caps.period,
        cap_total_offers=caps.total_offers,
        cap_total_spend_eur=caps.total_spend_eur,
        fallback_treatment=service.fallback_treatment,
    )


@router.post("/reload")
async def reload(office: InOffice, _: MayAdminister) -> ReloadResponse:
    """Look at the pointer now. A run that does not prove itself is refused; the old one goes on."""
    outcome = await office.runs.look()
    if outcome is not None:
        office.told_of_reload(outcome)
    return ReloadResponse(
        outcome=cast(Literal["unchanged", "loaded", "refused"], outcome or "unchanged"),
        run_id=office.desk.service.run_id,
    )
