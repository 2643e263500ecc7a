"""Plans of the candidates that a configuration names, and of the baseline they must beat."""

from collections.abc import Mapping
from dataclasses import asdict

from uplift.config import Campaign, Candidate, Training
from uplift.forest import ForestSettings
from uplift.learners.base import BoosterTrainer
from uplift.learners.families import RESPONSE
from uplift.learners.fit import Plan
from uplift.learners.linear import LinearSettings
from uplift.learners.recipe import CausalmlSettings, Options

ROUNDS = "rounds"
TUNED = "tuned"  # the candidate that a search finds


def plans_of(training: Training, campaign: Campaign, trainer: BoosterTrainer) -> Mapping[str, Plan]:
    """By name: the candidates in the order of the config, then the response model."""
    plans = {
        candidate.name: _plan_of(candidate, training, campaign, trainer)
        for candidate in training.candidates
    }
    response = Plan(trainer, training.booster, training.rounds, training.seed, learner=RESPONSE)
    return {**plans, RESPONSE: response}


def tuned_plan(
    learner: str,
    settings: Mapping[str, bool | int | float | str],
    training: Training,
    campaign: Campaign,
    trainer: BoosterTrainer,
) -> Plan:
    """The plan of a trial of the search: ``rounds`` and LightGBM parameters over the section's."""
    booster = {name: value for name, value in settings.items() if name != ROUNDS}
    candidate = Candidate.model_validate(
        {"name": TUNED, "learner": learner, "booster": booster, "rounds": settings.get(ROUNDS)}
    )
    return _plan_of(candidate, training, campaign, trainer)


def _plan_of(
    candidate: Candidate, training: Training, campaign: Campaign, trainer: BoosterTrainer
) -> Plan:
    """The candidate's own settings over those of the section ``training``."""
    face_values = (0.0, *(treatment.face_value_eur for treatment in campaign.treatments))
    return Plan(
        trainer=trainer,
        parameters={**training.booster, **candidate.booster},
        rounds=candidate.rounds or training.rounds,
        seed=training.seed,
        learner=candidate.learner,
        options=Options(
            n_folds=candidate.cross_fitting_folds,
            face_values=face_values if candidate.arm_as == "face_value" else None,
            monotone=candidate.monotone,
            forest=ForestSettings(**candidate.forest.model_dump()),
            causalml=CausalmlSettings(**candidate.causalml.model_dump()),
            linear=(LinearSettings(l2=candidate.linear.l2) if candidate.base == "linear" else None),
            doubly_robust=candidate.doubly_robust,
            on_spark=candidate.on_spark,
        ),
    )


def plan_settings(plan: Plan) -> dict[str, str | int | float | bool]:
    """A plan, flat."""
    options = {name: str(value) for name, value in asdict(plan.options).items()}
    booster = {f"booster.{name}": value for name, value in plan.parameters.items()}
    return {"learner": plan.learner, "rounds": plan.rounds, **options, **booster}
