"""Learners of expected outcomes, arm by arm: a booster for each, and a mean for each."""

import numpy as np

from uplift.ensemble import FlatEnsemble, constant, stack
from uplift.learners.data import TrainingData
from uplift.learners.peers import total
from uplift.learners.recipe import Recipe


def fit_t_learner(data: TrainingData, n_arms: int, recipe: Recipe) -> FlatEnsemble:
    """Fit one booster per arm on that arm's rows; output k is the expected outcome in arm k.

    Valid when arms were drawn at random given the features. Propensities do not enter: within an
    arm the booster learns the outcome *given* the features, and how often the arm was drawn for
    such features does not change that (Künzel et al. 2019, "Metalearners for estimating
    heterogeneous treatment effects using machine learning").

    Args:
        data: All arms together.
        n_arms: K + 1.
        recipe: How boosters are fitted, the same for every arm.
    """
    recipe.require(data, n_arms)
    drawn = (data.where(data.arm == arm) for arm in range(n_arms))
    return stack([recipe.outcome_model(rows.features, rows.outcome, rows.weight) for rows in drawn])


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
    sums = [
        np.bincount(data.arm, weights=values, minlength=n_arms)
        for values in (weight * data.outcome, weight)
    ]
    outcomes, heads = total(np.array(sums), data.peers)
    return constant(
        outcomes / heads,
        n_features=data.features.shape[1],
    )
