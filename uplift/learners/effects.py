"""From effects to expected outcomes: control, and control plus the effect of each treatment."""

from collections.abc import Sequence

import numpy as np

from uplift.arms import CONTROL
from uplift.ensemble import FlatEnsemble, clipped, combine
from uplift.learners.data import TrainingData
from uplift.learners.recipe import Recipe


def on_top_of_control(
    effects: Sequence[FlatEnsemble], data: TrainingData, recipe: Recipe
) -> FlatEnsemble:
    """Expected outcome per arm: a model of control, and each effect added to it.

    Control is fitted by least squares, for chances too, so that the whole is one sum of trees;
    what then leaves [0, 1] is cut there. An effect is thus reported smaller than learned where it
    would take away more than there is.

    Args:
        effects: Of each treatment, one output each, as sums of leaves.
        data: All arms together.
        recipe: How boosters are fitted.
    """
    control = data.where(data.arm == CONTROL)
    model = recipe.mean_model(control.features, control.outcome, control.weight)
    mix = np.eye(len(effects) + 1)
    mix[:, 0] = 1.0
    together = combine([model, *effects], mix)
    return clipped(together) if recipe.objective == "binary" else together
