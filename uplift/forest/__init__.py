"""A histogram causal forest: several arms, honest leaves, effects with standard errors."""

from uplift.forest.forest import CausalForest, grow_forest
from uplift.forest.log import ForestRows
from uplift.forest.settings import ForestSettings
from uplift.forest.variance import Effects, effects_with_errors

__all__ = [
    "CausalForest",
    "Effects",
    "ForestRows",
    "ForestSettings",
    "effects_with_errors",
    "grow_forest",
]
