"""Turn the outcome into one whose mean is the effect, and fit that."""

import numpy as np

from uplift.arms import CONTROL
from uplift.ensemble import FlatEnsemble
from uplift.errors import ConfigError, OverlapError
from uplift.learners.base import Vector
from uplift.learners.data import TOLERANCE, TrainingData
from uplift.learners.effects import on_top_of_control
from uplift.learners.nuisance import known_propensities, pairs_with_control, spread
from uplift.learners.recipe import Recipe


def transformed_outcome(outcome: Vector, is_treated: Vector, propensity: Vector) -> Vector:
    """Y (T - p) / (p (1 - p)), whose mean given the features is the effect, shape (n,).

    Athey and Imbens (2016), "Recursive partitioning for heterogeneous causal effects".

    Examples:
        >>> transformed_outcome(np.array([1.0, 1.0]), np.array([1.0, 0.0]), np.array([0.25, 0.25]))
        array([ 4.        , -1.33333333])
    """
    return outcome * (is_treated - propensity) / (propensity * (1.0 - propensity))


def fit_transformed_outcome(data: TrainingData, n_arms: int, recipe: Recipe) -> FlatEnsemble:
    """Fit the transformed outcome of each treatment against control.

    Unbiased wherever the propensities are right, whatever their pattern, for any outcome; but
    noisy, the more so the further the outcome lies from 0.

    Args:
        data: All arms together, with known propensities.
        n_arms: K + 1.
        recipe: How boosters are fitted.
    """
    recipe.require(data, n_arms)
    effects = []
    for rows, is_treated, chance in pairs_with_control(data, n_arms):
        values = transformed_outcome(rows.outcome, is_treated, chance)
        effects.append(recipe.mean_model(rows.features, values, rows.weight))
    return on_top_of_control(effects, data, recipe)


def fit_class_transformation(data: TrainingData, n_arms: int, recipe: Recipe) -> FlatEnsemble:
    """Fit the chance of the class Z that holds treated buyers and control's non-buyers.

    Where a treatment and control were equally likely, the effect is 2 P(Z = 1) - 1 (Jaśkowski and
    Jaroszewicz 2012, "Uplift modeling for clinical trial data"). Z is fitted by least squares, not
    as a class, so that the effect is a sum of trees. At other shares the transformed outcome takes
    its place.

    Args:
        data: All arms together, of an experiment in which chances depend on the arm alone.
        n_arms: K + 1.
        recipe: How boosters are fitted; for a conversion.

    Raises:
        OverlapError: Chances differ between units: then Z has no such meaning.
        ConfigError: The outcome is no conversion.
    """
    if recipe.objective != "binary":
        raise ConfigError(
            f"`class_transformation` knows conversions only, but is asked for {data.n_rows} rows "
            "of another outcome. Take `transformed_outcome` in `training.candidates`."
        )
    recipe.require(data, n_arms)
    propensities = known_propensities(data, n_arms)
    varies = spread(propensities.T, data) > TOLERANCE
    if varies.any():
        arm = int(varies.argmax())
        chances = propensities[:, arm]
        raise OverlapError(
            f"the chance of arm {arm} lies between {chances.min():.4g} and {chances.max():.4g} in "
            f"{data.n_rows} rows; `class_transformation` needs one chance per arm for all. Take "
            "`transformed_outcome` in `training.candidates`."
        )
    if np.ptp(propensities[0]) > TOLERANCE:
        return fit_transformed_outcome(data, n_arms, recipe)
    effects = []
    for treatment in range(1, n_arms):
        rows = data.where((data.arm == CONTROL) | (data.arm == treatment))
        is_z = (rows.outcome == 1.0) == (rows.arm == treatment)
        effects.append(recipe.mean_model(rows.features, 2.0 * is_z - 1.0, rows.weight))
    return on_top_of_control(effects, data, recipe)
