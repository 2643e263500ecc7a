"""One model for all arms, which sees the arm as one more feature."""

import numpy as np

from uplift.ensemble import FlatEnsemble, fix_feature, stack
from uplift.errors import ConfigError
from uplift.learners.base import Vector
from uplift.learners.data import TrainingData
from uplift.learners.recipe import Options, Recipe


def fit_s_learner(data: TrainingData, n_arms: int, recipe: Recipe) -> FlatEnsemble:
    """Fit one booster on all rows; output k is its answer with the arm fixed at k.

    The trees are evaluated beforehand for each arm, so that what answers sees features only.
    Arms that share trees lend each other strength, and trees that do not split by the arm say
    that it has no effect: effects are drawn to 0, strongly with few rounds (Künzel et al. 2019,
    "Metalearners for estimating heterogeneous treatment effects using machine learning").

    With face values in the recipe the arm is a number of euro, which lets coupons of 5 and 10
    euro learn from each other, and can be asked never to lower the outcome as it rises.

    Args:
        data: All arms together; propensities do not enter.
        n_arms: K + 1.
        recipe: How boosters are fitted, and what they see of an arm.

    Raises:
        ConfigError: Two arms have the same face value, a category shall be monotone, or models
            shall be linear: with all interactions of arm and features that is a T-learner.
    """
    recipe.require(data, n_arms)
    recipe.require_boosters("s_learner", "one coefficient per arm is the same effect for everybody")
    column = data.features.shape[1]
    seen = _seen(n_arms, recipe.options)
    model = recipe.outcome_model(
        np.column_stack([data.features, seen[data.arm]]),
        data.outcome,
        data.weight,
        categorical=[
            *recipe.categorical,
            *([column] if recipe.options.face_values is None else []),
        ],
        increasing=[column] if recipe.options.monotone else [],
    )
    return stack([fix_feature(model, column, float(value)) for value in seen])


def _seen(n_arms: int, options: Options) -> Vector:
    """What the model sees of each arm."""
    values = options.face_values
    if values is None and options.monotone:
        raise ConfigError(
            "a monotone S-learner needs numbers, but sees arms as categories. Set `arm_as: "
            "face_value` for the candidate in `training.candidates`."
        )
    if values is None:
        return np.arange(n_arms, dtype=np.float64)
    if len(values) != n_arms or len(set(values)) != n_arms:
        raise ConfigError(
            f"the face values {list(values)} do not tell {n_arms} arms apart. Give each of "
            "`campaign.treatments` its own `face_value_eur` (control has 0), or set `arm_as: "
            "category` for the candidate."
        )
    return np.array(values, dtype=np.float64)
