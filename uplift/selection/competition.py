"""All candidates on the same rows and folds, one after the other."""

import logging
import time
from collections.abc import Mapping, Sequence

from uplift.config import Evaluation
from uplift.errors import OverlapError
from uplift.learners.data import TrainingData
from uplift.learners.families import RESPONSE
from uplift.learners.fit import Plan
from uplift.logs import event
from uplift.selection.trial import Trial, hold_trial

log = logging.getLogger(__name__)


def compete(
    plans: Mapping[str, Plan],
    data: TrainingData,
    outcome: str,
    n_arms: int,
    *,
    categorical: Sequence[int],
    n_folds: int,
    salt: str,
    how: Evaluation,
) -> list[Trial]:
    """A trial of every plan, in their order; arguments as for ``hold_trial``.

    A candidate whose method is not valid for the propensities of the log steps aside with a
    warning; if none is left but the response model, that is the error.

    Raises:
        OverlapError: No candidate is valid for this log.
    """
    trials: list[Trial] = []
    refusals = []
    for name, plan in plans.items():
        start = time.monotonic()
        try:
            trial = hold_trial(
                name,
                plan,
                data,
                outcome,
                n_arms,
                categorical=categorical,
                n_folds=n_folds,
                salt=salt,
                how=how,
            )
        except OverlapError as refusal:
            event(log, "candidate.refused", level=logging.WARNING, candidate=name, why=str(refusal))
            refusals.append(refusal)
            continue
        trials.append(trial)
        event(
            log,
            "candidate.tried",
            candidate=name,
            autoc=trial.autoc.estimate,
            autoc_standard_error=trial.autoc.standard_error,
            seconds=round(time.monotonic() - start, 1),
        )
    if all(trial.plan.learner == RESPONSE for trial in trials) and refusals:
        raise refusals[0]
    return trials
