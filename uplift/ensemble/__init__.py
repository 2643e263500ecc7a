"""Compiled trees: the one predictor of the nightly batch and of the API."""

from uplift.ensemble.compose import constant, stack
from uplift.ensemble.flat import FlatEnsemble
from uplift.ensemble.lightgbm_text import compile_lightgbm

__all__ = ["FlatEnsemble", "compile_lightgbm", "constant", "stack"]
