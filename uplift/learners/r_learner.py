"""Explain what is left of the outcome by what is left of the treatment."""

import numpy as np

from uplift.arms import CONTROL
from uplift.ensemble import FlatEnsemble
from uplift.learners.data import TrainingData
from uplift.learners.effects import on_top_of_control
from uplift.learners.nuisance import against_control, cross_fitted_mean, known_propensities
from uplift.learners.recipe import Recipe


def fit_r_learner(data: TrainingData, n_arms: int, recipe: Recipe) -> FlatEnsemble:
    """Fit each treatment's effect by the R-loss, among units that drew it or control.

    The loss is the mean of ((Y - m) - (T - e) tau)^2, with the cross-fitted mean outcome m and
    the chance e of the treatment in the pair of arms (Nie and Wager 2021, "Quasi-oracle estimation
    of heterogeneous treatment effects"); as least squares of (Y - m) / (T - e) with weights
    (T - e)^2. Rows where either arm was rare count little, so the average effect is that of the
    units about which the experiment says most.

    Args:
        data: All arms together, with known propensities.
        n_arms: K + 1.
        recipe: How boosters are fitted.
    """
    recipe.require(data, n_arms)
    propensities = known_propensities(data, n_arms)
    effects = []
    for treatment in range(1, n_arms):
        pair = (data.arm == CONTROL) | (data.arm == treatment)
        rows = data.where(pair)
        surprise = rows.outcome - cross_fitted_mean(rows, n_arms, recipe)
        is_treated = (rows.arm == treatment).astype(np.float64)
        left = is_treated - against_control(propensities[pair], treatment)
        effects.append(recipe.mean_model(rows.features, surprise / left, rows.weighted_by(left**2)))
    return on_top_of_control(effects, data, recipe)
