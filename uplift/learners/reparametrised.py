"""A model of control, and what each treatment changes of its score."""

import numpy as np
from scipy.optimize import brentq

from uplift.arms import CONTROL
from uplift.ensemble import FlatEnsemble, combine, constant
from uplift.learners.base import Objective, Vector
from uplift.learners.data import TrainingData
from uplift.learners.recipe import Recipe

_FAR = 50.0  # log-odds beyond which a chance is 0 or 1


def fit_reparametrised(data: TrainingData, n_arms: int, recipe: Recipe) -> FlatEnsemble:
    """Fit control, then one booster per treatment that starts from control's score.

    All that treatment and control have in common is learned once, from control; the boosters of
    the treatments spend their trees on what differs, and no tree means no difference. So the
    effect is regularised itself, as in the models mu(x) + tau(x) z of Hahn, Murray and Carvalho
    (2020), "Bayesian regression tree models for causal inference"; here on the scale of the score,
    log-odds for a conversion. The average effect enters as a constant, unshrunk.

    Args:
        data: All arms together; propensities do not enter.
        n_arms: K + 1.
        recipe: How boosters are fitted.

    Raises:
        ConfigError: Models shall be linear.
    """
    recipe.require(data, n_arms)
    recipe.require_boosters("reparametrised", "a regression does not start from another's score")
    drawn = [data.where(data.arm == arm) for arm in range(n_arms)]
    control = recipe.outcome_model(
        drawn[CONTROL].features, drawn[CONTROL].outcome, drawn[CONTROL].weight
    )
    n_features = data.features.shape[1]
    parts, mix = [control], [[1.0] + [0.0] * 2 * (n_arms - 1)]
    for treatment, rows in enumerate(drawn[1:], start=1):
        start = control.raw(rows.features)[:, 0]
        shift = average_shift(rows, start, objective=recipe.objective)
        parts += [
            constant([shift], n_features, link=control.link),
            recipe.outcome_model(
                rows.features, rows.outcome, rows.weight, init_score=start + shift
            ),
        ]
        weights = np.zeros(1 + 2 * (n_arms - 1))
        weights[[0, 2 * treatment - 1, 2 * treatment]] = 1.0
        mix.append(weights.tolist())
    return combine(parts, mix)


def average_shift(data: TrainingData, score: Vector, *, objective: Objective) -> float:
    """What to add to every score so that the expected outcomes have the outcomes' mean.

    Args:
        data: The rows, and who has the others.
        score: Of each row, shape (n,): a mean, or log-odds if the objective is ``binary``.
        objective: Of outcomes.

    Examples:
        >>> two = TrainingData(
        ...     np.zeros((2, 1)), np.array([1, 1]), np.array([0.0, 1.0]), np.full(2, 0.5)
        ... )
        >>> shift = average_shift(two, np.log([0.2 / 0.8, 0.2 / 0.8]), objective="binary")
        >>> round(float(np.exp(shift)), 6)
        4.0
    """
    if objective == "regression":
        return data.average(data.outcome - score, data.weight)
    mean = data.average(data.outcome, data.weight)

    def excess(shift: float) -> float:
        chance = 1.0 / (1.0 + np.exp(-np.clip(score + shift, -_FAR, _FAR)))
        return data.average(chance, data.weight) - mean

    if excess(-_FAR) >= 0.0 or excess(_FAR) <= 0.0:  # nobody converted, or everybody
        return 0.0
    return float(brentq(excess, -_FAR, _FAR))
