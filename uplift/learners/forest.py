"""The causal forest as a learner: the same rows and the same answer as the others."""

from collections.abc import Sequence

from uplift.ensemble import FlatEnsemble, clipped
from uplift.forest import CausalForest, ForestRows, ForestSettings, grow_forest
from uplift.forest.sampling import Keys
from uplift.hashing import hash_keys
from uplift.learners.base import Matrix
from uplift.learners.data import TrainingData
from uplift.learners.nuisance import cross_fitted_outcomes
from uplift.learners.recipe import Recipe


def fit_causal_forest(
    data: TrainingData,
    n_arms: int,
    *,
    settings: ForestSettings,
    categorical: Sequence[int],
    seed: int,
    min_arm_rows: int,
    keys: Keys | None = None,
    expected: Matrix | None = None,
    n_threads: int | None = None,
) -> tuple[FlatEnsemble, CausalForest]:
    """Fit a causal forest; output k of the ensemble is the expected outcome in arm k.

    Valid when arms were drawn at random given the features; unequal propensities are undone by
    weights.

    Args:
        data: All arms together.
        n_arms: K + 1.
        settings: What is grown and how far.
        categorical: Columns whose numbers are categories.
        seed: Of every random choice.
        min_arm_rows: An arm with fewer rows is an error.
        keys: Key of each row's randomisation unit, shape (n,), from ``hash_keys``; None takes row
            numbers.
        expected: Cross-fitted expected outcome of every row in every arm, shape (n, K + 1): then
            the forest looks at doubly robust scores.
        n_threads: None takes one per core.

    Returns:
        What answers, and the forest it came from: for standard errors, importance and drawings.
    """
    data.require_arms(n_arms, at_least=min_arm_rows)
    rows = ForestRows(
        data.features,
        data.arm,
        data.outcome,
        data.propensity,
        weight=data.weight,
        keys=keys,
        expected=expected,
    )
    forest = grow_forest(
        rows, n_arms, settings=settings, seed=seed, categorical=categorical, n_threads=n_threads
    )
    return forest.ensemble, forest


def fit_forest(data: TrainingData, n_arms: int, recipe: Recipe) -> FlatEnsemble:
    """A causal forest as a candidate among the learners; boosters only help it.

    Trees are drawn by randomisation unit where the data name them. With
    ``recipe.options.doubly_robust`` cross-fitted boosters tell what to expect of every row, and the
    mean score of a leaf that leaves [0, 1] is cut there for a chance.
    """
    recipe.require(data, n_arms)
    recipe.require_boosters("causal_forest", "its helper models, where it has any, are boosters")
    is_helped = recipe.options.doubly_robust
    ensemble, _ = fit_causal_forest(
        data,
        n_arms,
        settings=recipe.options.forest,
        categorical=recipe.categorical,
        seed=recipe.seed,
        min_arm_rows=recipe.min_arm_rows,
        keys=None if data.cluster is None else hash_keys(data.cluster.tolist()),
        expected=cross_fitted_outcomes(data, n_arms, recipe) if is_helped else None,
    )
    return clipped(ensemble) if is_helped and recipe.objective == "binary" else ensemble
