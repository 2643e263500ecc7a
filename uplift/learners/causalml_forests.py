"""causalml's forests behind the same protocol: fitted by causalml, answered by flat trees.

They see a category as the number of its place in the alphabet, and learn on one machine; of a
log with more than ``max_rows`` they get a sample by the hash of the randomisation unit. Their
trees divide weighted sums by unweighted counts (causalml 0.18), so rows must count alike.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from uplift.ensemble import FlatEnsemble, compile_array_trees
from uplift.errors import ConfigError, OverlapError
from uplift.forest.plan import mean_propensity
from uplift.hashing import hash_uniforms
from uplift.learners.base import Matrix
from uplift.learners.data import TrainingData
from uplift.learners.recipe import Recipe

_CRITERIA: Mapping[str, str] = {
    "kl": "KL",
    "euclidean": "ED",
    "chi_square": "Chi",
    "cts": "CTS",
    "ddp": "DDP",
    "it": "IT",
    "cit": "CIT",
    "iddp": "IDDP",
}
_ONE_TREATMENT = ("ddp", "it", "cit", "iddp")


def sampled(data: TrainingData, max_rows: int, *, seed: int) -> TrainingData:
    """At most about ``max_rows`` rows, whole randomisation units, the same for a seed."""
    if data.n_rows <= max_rows:
        return data
    units = range(data.n_rows) if data.cluster is None else data.cluster
    draw = hash_uniforms(map(str, units), f"{seed}:causalml")
    return data.where(draw < max_rows / data.n_rows)


def fit_uplift_forest(data: TrainingData, n_arms: int, recipe: Recipe) -> FlatEnsemble:
    """Causalml's ``UpliftRandomForestClassifier`` with any of its criteria.

    Rzepakowski and Jaroszewicz (2012), "Decision trees for uplift modeling with single and
    multiple treatments", and the later criteria that causalml has. A tree whose bootstrap has no
    row of an arm says 0 for it, as in causalml.

    Args:
        data: All arms together.
        n_arms: K + 1.
        recipe: ``options.causalml`` says how it is grown; it has no boosters.

    Raises:
        OverlapError: Rows do not count alike.
        ConfigError: The outcome is no conversion, or the criterion knows one treatment only.
    """
    settings = recipe.options.causalml
    if recipe.objective != "binary":
        raise ConfigError(
            f"`uplift_forest` knows conversions only, but is asked for {data.n_rows} rows of "
            "another outcome. Take `causalml_causal_forest` in `training.candidates`."
        )
    if settings.criterion in _ONE_TREATMENT and n_arms > 2:
        raise ConfigError(
            f"criterion `{settings.criterion}` compares one treatment with control, the campaign "
            f"has {n_arms - 1}. Take one of "
            f"{', '.join(name for name in _CRITERIA if name not in _ONE_TREATMENT)}."
        )
    rows = _prepared(data, n_arms, recipe, "uplift_forest")

    from causalml.inference.tree import UpliftRandomForestClassifier

    forest = UpliftRandomForestClassifier(
        control_name=0,
        n_estimators=settings.n_trees,
        max_features=settings.features_per_node or data.features.shape[1],
        max_depth=settings.max_depth,
        min_samples_leaf=settings.min_leaf_rows,
        min_samples_treatment=settings.min_arm_rows,
        n_reg=settings.shrinkage_rows,
        evaluationFunction=_CRITERIA[settings.criterion],
        normalization=settings.normalization,
        honesty=settings.is_honest,
        n_jobs=1,
        random_state=recipe.seed,
    )
    forest.fit(X=rows.features, treatment=rows.arm.astype(np.int64), y=rows.outcome)
    return compile_uplift_forest(forest, n_arms)


def fit_causalml_causal_forest(data: TrainingData, n_arms: int, recipe: Recipe) -> FlatEnsemble:
    """Causalml's ``CausalRandomForestRegressor``: trees of Athey and Imbens (2016).

    Args:
        data: All arms together.
        n_arms: K + 1.
        recipe: ``options.causalml`` says how it is grown; it has no boosters.
    """
    settings = recipe.options.causalml
    rows = _prepared(data, n_arms, recipe, "causalml_causal_forest")

    from causalml.inference.tree import CausalRandomForestRegressor

    forest = CausalRandomForestRegressor(
        control_name=0,
        n_estimators=settings.n_trees,
        max_features=settings.features_per_node or 1.0,
        max_depth=settings.max_depth,
        min_samples_leaf=settings.min_leaf_rows,
        min_group_samples=settings.min_arm_rows,
        honesty=True,
        groups_cnt=False,
        n_jobs=1,
        random_state=recipe.seed,
    )
    forest.fit(X=rows.features, treatment=rows.arm.astype(np.int64), y=rows.outcome)
    return compile_causal_forest(forest)


def compile_uplift_forest(forest: Any, n_arms: int) -> FlatEnsemble:
    """What a fitted ``UpliftRandomForestClassifier`` says of every arm; arms are its groups.

    The arms were given to causalml as integers, whose order it keeps.
    """
    values = []
    for tree in forest.estimators_:
        known = np.nan_to_num(tree.tree_.value[:, :, 0])
        value = np.zeros((len(known), n_arms))
        value[:, np.asarray(tree.classes_, dtype=np.int64)] = known
        values.append(value)
    return compile_array_trees(
        [tree.tree_ for tree in forest.estimators_], values, forest.n_features_in_
    )


def compile_causal_forest(forest: Any) -> FlatEnsemble:
    """What a fitted ``CausalRandomForestRegressor`` says of every arm.

    A leaf without a row of an arm, about which causalml says NaN, says what the tree's root does.
    """
    trees = [tree.tree_ for tree in forest.estimators_]
    values = [_without_gaps(tree.value[:, :, 0]) for tree in trees]
    return compile_array_trees(trees, values, forest.n_features_in_)


def _prepared(data: TrainingData, n_arms: int, recipe: Recipe, family: str) -> TrainingData:
    """The rows that are fitted: enough of every arm, and no more than one machine shall have."""
    recipe.require(data, n_arms)
    recipe.require_boosters(family, "it has no helper models")
    if data.weight is not None or mean_propensity(data.arm, data.propensity) is not None:
        raise OverlapError(
            f"propensities lie between {data.propensity.min():.4g} and "
            f"{data.propensity.max():.4g}, and differ within an arm or rows have weights "
            f"({data.n_rows} rows); `{family}` of causalml needs rows that count alike. Take "
            "`causal_forest` in `training.candidates`."
        )
    rows = sampled(data, recipe.options.causalml.max_rows, seed=recipe.seed)
    rows.require_arms(n_arms, at_least=recipe.min_arm_rows)
    return rows


def _without_gaps(values: Matrix) -> Matrix:
    return np.where(np.isnan(values), np.nan_to_num(values[:1]), values)
