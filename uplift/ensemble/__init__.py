"""Compiled trees: the one predictor of the nightly batch and of the API."""

from uplift.ensemble.compose import clipped, combine, constant, stack
from uplift.ensemble.contributions import Explainer
from uplift.ensemble.flat import FlatEnsemble
from uplift.ensemble.lightgbm_text import compile_lightgbm
from uplift.ensemble.partial import fix_feature

__all__ = [
    "Explainer",
    "FlatEnsemble",
    "clipped",
    "combine",
    "compile_lightgbm",
    "constant",
    "fix_feature",
    "stack",
]
