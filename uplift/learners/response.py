"""The model that most companies have: who buys. The wrong baseline of every report."""

import numpy as np

from uplift.ensemble import FlatEnsemble, clipped, combine
from uplift.learners.data import TrainingData
from uplift.learners.recipe import Recipe


def fit_response(data: TrainingData, n_arms: int, recipe: Recipe) -> FlatEnsemble:
    """Fit the outcome of all rows, whatever their arm, and take all of it for an effect.

    Without a coupon nothing would happen, with any coupon what was seen: so its effects rank
    customers by their expected outcome. It is fitted to be beaten, and never serves.

    Args:
        data: All arms together.
        n_arms: K + 1.
        recipe: How boosters are fitted.
    """
    recipe.require(data, n_arms)
    model = recipe.mean_model(data.features, data.outcome, data.weight)
    response = combine([model], np.append(0.0, np.ones(n_arms - 1))[:, np.newaxis])
    return clipped(response) if recipe.objective == "binary" else response
