"""Learners of expected outcomes per arm, written once for any trainer of boosters."""

from collections.abc import Sequence

import numpy as np

from uplift.ensemble import FlatEnsemble, compile_lightgbm, constant, stack
from uplift.learners.base import BoosterTrainer, Objective, Parameters
from uplift.learners.data import TrainingData


def fit_t_learner(
    data: TrainingData,
    n_arms: int,
    trainer: BoosterTrainer,
    *,
    objective: Objective,
    parameters: Parameters,
    rounds: int,
    categorical: Sequence[int],
    seed: int,
    min_arm_rows: int,
) -> FlatEnsemble:
    """Fit one booster per arm on that arm's rows; output k is the expected outcome in arm k.

    Valid when arms were drawn at random given the features. Propensities do not enter: within an
    arm the booster learns the outcome *given* the features, and how often the arm was drawn for
    such features does not change that.

    Args:
        data: All arms together.
        n_arms: K + 1.
        trainer: Fits one booster.
        objective: ``binary`` for a conversion, ``regression`` for a mean such as revenue.
        parameters: LightGBM parameters, the same for every arm.
        rounds: Trees per arm.
        categorical: Columns whose numbers are categories.
        seed: Of every random choice, the same for every arm.
        min_arm_rows: An arm with fewer rows is an error.
    """
    data.require_arms(n_arms, at_least=min_arm_rows)
    if objective == "binary":
        data.require_binary()
    boosters = []
    for arm in range(n_arms):
        drawn = data.arm == arm
        text = trainer.train(
            data.features[drawn],
            data.outcome[drawn],
            weight=None if data.weight is None else data.weight[drawn],
            objective=objective,
            parameters=parameters,
            rounds=rounds,
            categorical=categorical,
            seed=seed,
        )
        boosters.append(compile_lightgbm(text))
    return stack(boosters)


def fit_constant(data: TrainingData, n_arms: int) -> FlatEnsemble:
    """The mean outcome of every arm, for everybody: what a model must beat.

    Rows are weighted by one over the propensity of their arm (and by ``data.weight``), normalised
    within the arm, so that an arm drawn more often for some customers still speaks for all. With
    equal propensities these are the plain means.

    Examples:
        >>> data = TrainingData(
        ...     features=np.zeros((4, 1)),
        ...     arm=np.array([0, 0, 1, 1]),
        ...     outcome=np.array([0.0, 1.0, 1.0, 1.0]),
        ...     propensity=np.full(4, 0.5),
        ... )
        >>> fit_constant(data, n_arms=2).predict(np.zeros((1, 1)))
        array([[0.5, 1. ]])
    """
    data.require_arms(n_arms, at_least=1)
    weight = 1.0 / data.propensity
    if data.weight is not None:
        weight = weight * data.weight
    totals = np.bincount(data.arm, weights=weight * data.outcome, minlength=n_arms)
    return constant(
        totals / np.bincount(data.arm, weights=weight, minlength=n_arms),
        n_features=data.features.shape[1],
    )
