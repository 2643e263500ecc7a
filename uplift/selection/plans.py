"""Plans of the candidates that a configuration names, and of the baseline they must beat."""

from collections.abc import Mapping

from uplift.config import Campaign, Candidate, Training
from uplift.forest import ForestSettings
from uplift.learners.base import BoosterTrainer
from uplift.learners.families import RESPONSE
from uplift.learners.fit import Plan
from uplift.learners.recipe import Options


def plans_of(training: Training, campaign: Campaign, trainer: BoosterTrainer) -> Mapping[str, Plan]:
    """By name: the candidates in the order of the config, then the response model."""
    plans = {
        candidate.name: _plan_of(candidate, training, campaign, trainer)
        for candidate in training.candidates
    }
    response = Plan(trainer, training.booster, training.rounds, training.seed, learner=RESPONSE)
    return {**plans, RESPONSE: response}


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
            doubly_robust=candidate.doubly_robust,
            on_spark=candidate.on_spark,
        ),
    )
