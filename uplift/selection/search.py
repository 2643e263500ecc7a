"""The search of ``training.tuning`` on the rows of a campaign."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from uplift.config import Campaign, Evaluation, Training
from uplift.hashing import hash_key
from uplift.learners.base import BoosterTrainer
from uplift.learners.data import TrainingData
from uplift.learners.families import RESPONSE
from uplift.learners.fit import Plan
from uplift.selection.plans import TUNED, plans_of, tuned_plan
from uplift.selection.trial import fold_metrics
from uplift.selection.tuning import TuningTrial, best_of, tune

_BUDGET = {"trials", "seconds"}  # more of it goes on with the same search


def search(
    data: TrainingData,
    outcome: str,
    training: Training,
    campaign: Campaign,
    trainer: BoosterTrainer,
    *,
    categorical: Sequence[int],
    how: Evaluation,
    digest: str,
    journal: Path,
    tried: Callable[[TuningTrial], None],
) -> list[TuningTrial]:
    """What ``training.tuning`` tried, on folds other than those that candidates compete on.

    The journal knows the search by rows, outcome, metric, folds, seed and space: after a stop it
    goes on, after a change it starts anew. Nothing to tune is no trial.

    Args:
        data: All rows, with that outcome.
        outcome: ``conversion`` or ``revenue``.
        training: What is searched, and what trials have in common.
        campaign: Has the arms.
        trainer: Fits one booster.
        categorical: Columns whose numbers are categories.
        how: Blocks of the metric.
        digest: Names the rows.
        journal: File that the search goes on from.
        tried: Is told each trial as it ends.
    """
    if training.tuning is None:
        return []
    shared = training.model_dump(mode="json", exclude={"candidates": True, "tuning": _BUDGET})
    content = json.dumps([digest, outcome, shared, how.blocks, campaign.arms.names], sort_keys=True)
    return tune(
        training.tuning,
        lambda learner, settings: fold_metrics(
            tuned_plan(learner, settings, training, campaign, trainer),
            data,
            outcome,
            len(campaign.arms.names),
            categorical=categorical,
            n_folds=training.folds,
            salt=f"{training.salt}:tuning",
            how=how,
        ),
        journal=journal,
        study=f"{hash_key(content):016x}",
        seed=training.seed,
        tried=tried,
    )


def plans_with(
    searched: Sequence[TuningTrial],
    training: Training,
    campaign: Campaign,
    trainer: BoosterTrainer,
) -> Mapping[str, Plan]:
    """``plans_of``, with the best of a search after those that somebody chose.

    Among equals the simpler one wins, and what nobody had to search for is simpler.
    """
    plans = dict(plans_of(training, campaign, trainer))
    best = best_of(searched)
    if best is None:
        return plans
    response = plans.pop(RESPONSE)
    tuned = tuned_plan(best.learner, best.settings, training, campaign, trainer)
    return {**plans, TUNED: tuned, RESPONSE: response}
