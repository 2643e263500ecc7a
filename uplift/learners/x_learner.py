"""Impute what would have happened in the other arm, and fit the difference from both sides."""

from uplift.arms import CONTROL
from uplift.ensemble import FlatEnsemble, combine
from uplift.learners.data import TrainingData
from uplift.learners.effects import on_top_of_control
from uplift.learners.nuisance import against_control, known_propensities
from uplift.learners.recipe import Recipe


def fit_x_learner(data: TrainingData, n_arms: int, recipe: Recipe) -> FlatEnsemble:
    """Fit the effect among the treated and among control, and average the two.

    For the treated the outcome less what control's model expects, for control what the
    treatment's model expects less the outcome; the effect is g times the latter's fit plus 1 - g
    times the former's (Künzel et al. 2019, "Metalearners for estimating heterogeneous treatment
    effects using machine learning"). No unit is imputed by a model that saw it, so there is
    nothing to cross-fit. Good where arms are of very different size.

    Any weight g is valid. Here it is the average chance of the treatment against control, one
    number, so that the effect stays a sum of trees.

    Args:
        data: All arms together, with known propensities.
        n_arms: K + 1.
        recipe: How boosters are fitted.
    """
    recipe.require(data, n_arms)
    propensities = known_propensities(data, n_arms)
    control = data.where(data.arm == CONTROL)
    of_control = recipe.outcome_model(control.features, control.outcome, control.weight)
    effects = []
    for treatment in range(1, n_arms):
        treated = data.where(data.arm == treatment)
        of_treated = recipe.outcome_model(treated.features, treated.outcome, treated.weight)
        among_treated = recipe.mean_model(
            treated.features,
            treated.outcome - of_control.predict(treated.features)[:, 0],
            treated.weight,
        )
        among_control = recipe.mean_model(
            control.features,
            of_treated.predict(control.features)[:, 0] - control.outcome,
            control.weight,
        )
        share = data.average(against_control(propensities, treatment), data.weight)
        effects.append(combine([among_control, among_treated], [[share, 1.0 - share]]))
    return on_top_of_control(effects, data, recipe)
