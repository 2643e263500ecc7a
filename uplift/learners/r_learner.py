"""Explain what is left of the outcome by what is left of the treatment."""

from uplift.ensemble import FlatEnsemble
from uplift.learners.data import TrainingData
from uplift.learners.effects import on_top_of_control
from uplift.learners.nuisance import cross_fitted_mean, pairs_with_control
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
    effects = []
    for rows, is_treated, chance in pairs_with_control(data, n_arms):
        surprise = rows.outcome - cross_fitted_mean(rows, n_arms, recipe)
        left = is_treated - chance
        effects.append(recipe.mean_model(rows.features, surprise / left, rows.weighted_by(left**2)))
    return on_top_of_control(effects, data, recipe)
