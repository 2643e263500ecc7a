"""Fit the doubly robust score of the effect."""

import numpy as np

from uplift.arms import CONTROL
from uplift.ensemble import FlatEnsemble
from uplift.learners.base import ArmVector, Matrix, Vector
from uplift.learners.data import TrainingData
from uplift.learners.effects import on_top_of_control
from uplift.learners.nuisance import cross_fitted_outcomes, known_propensities
from uplift.learners.recipe import Recipe


def dr_score(
    outcome: Vector, arm: ArmVector, expected_outcome: Matrix, propensities: Matrix
) -> Matrix:
    """Gamma_k = mu_k + 1{W = k} (Y - mu_k) / e_k for every arm, shape (n, K + 1).

    Its mean given the features is the expected outcome in arm k if either mu_k or e_k is right
    (Robins, Rotnitzky and Zhao 1994).

    Args:
        outcome: Shape (n,).
        arm: The arm drawn, shape (n,).
        expected_outcome: Cross-fitted, shape (n, K + 1).
        propensities: Chance of every arm, shape (n, K + 1).

    Examples:
        >>> dr_score(np.array([1.0]), np.array([1]), np.array([[0.25, 0.5]]), np.full((1, 2), 0.5))
        array([[0.25, 1.5 ]])
    """
    rows = np.arange(len(outcome))
    score = expected_outcome.copy()
    score[rows, arm] += (outcome - expected_outcome[rows, arm]) / propensities[rows, arm]
    return score


def fit_dr_learner(data: TrainingData, n_arms: int, recipe: Recipe) -> FlatEnsemble:
    """Fit the difference of doubly robust scores, treatment minus control, on all rows.

    Kennedy (2023), "Towards optimal doubly robust estimation of heterogeneous causal effects".
    Rows of all arms take part in every effect. With known propensities unbiased however poor the
    helpers; a small propensity makes a score large.

    Args:
        data: All arms together, with known propensities.
        n_arms: K + 1.
        recipe: How boosters are fitted.
    """
    recipe.require(data, n_arms)
    propensities = known_propensities(data, n_arms)
    expected = cross_fitted_outcomes(data, n_arms, recipe)
    score = dr_score(data.outcome, data.arm, expected, propensities)
    effects = [
        recipe.mean_model(data.features, score[:, treatment] - score[:, CONTROL], data.weight)
        for treatment in range(1, n_arms)
    ]
    return on_top_of_control(effects, data, recipe)
