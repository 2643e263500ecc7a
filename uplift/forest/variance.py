"""How sure a forest is of an effect: the bootstrap of little bags.

Trees come in groups, and a group's trees share one half of the units. Between the means of groups
lies the sampling variance of the forest, plus what the trees of a group differ by for reasons of
their own; the latter is measured inside the groups and taken off (Athey, Tibshirani and Wager,
Annals of Statistics 2019, section 4.1, after Sexton and Laake 2009; half-samples instead of the
infinitesimal jackknife of Wager, Hastie and Efron, JMLR 2014).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from uplift.arms import CONTROL
from uplift.ensemble import FlatEnsemble
from uplift.errors import ContractError
from uplift.forest.bins import Matrix
from uplift.forest.forest import CausalForest

_CHUNK_BYTES = 32 << 20  # answers of single trees held at once


@dataclass(frozen=True, eq=False)
class Effects:
    """Effects with their standard errors.

    Attributes:
        cate: Expected outcome of every treatment minus that of control, shape (n, K).
        standard_error: Of the same, shape (n, K). It knows nothing of bias: an interval is valid
            where leaves are small enough that the effect hardly varies inside them.
    """

    cate: Matrix
    standard_error: Matrix


def tree_ensemble(forest: CausalForest) -> FlatEnsemble:
    """The same trees with outputs of their own: tree t answers in outputs t (K+1) onwards."""
    flat = forest.ensemble
    n_trees, width = len(flat.roots), flat.n_outputs
    names = (
        *("roots", "feature", "threshold", "decision", "left", "right"),
        *("set_start", "set_words"),
    )
    arrays = {name: getattr(flat, name) for name in names} | {
        "first_output": np.arange(n_trees) * width,
        "leaf_values": flat.leaf_values * n_trees,
    }
    return FlatEnsemble.of(arrays, n_features=flat.n_features, n_outputs=n_trees * width)


def effects_with_errors(forest: CausalForest, features: Matrix) -> Effects:
    """The effects of each row, with standard errors from little bags.

    Args:
        forest: Grown honestly, with at least 2 trees per group. Its errors have a noise of their
            own that falls with the number of groups: 100 groups leave about 7 % of it, and the
            noise of single trees needs a few hundred of them.
        features: Shape (n, d).

    Raises:
        ContractError: The trees do not stand in groups, or there is one group only.
    """
    settings = forest.settings
    if settings.trees_per_group < 2 or settings.n_groups < 2:
        raise ContractError(
            f"standard errors compare groups of trees; this forest has {settings.n_groups} of "
            f"{settings.trees_per_group} trees. Grow it with trees_per_group of 2 or more."
        )
    single = tree_ensemble(forest)
    n_arms = forest.ensemble.n_outputs
    cate = np.empty((len(features), n_arms - 1))
    error = np.empty_like(cate)
    size = max(1, _CHUNK_BYTES // (8 * single.n_outputs))
    for start in range(0, len(features), size):
        part = slice(start, start + size)
        answers = single.raw(features[part]).reshape(
            -1, settings.n_groups, settings.trees_per_group, n_arms
        )
        effects = np.delete(answers, CONTROL, axis=3) - answers[..., [CONTROL]]
        cate[part] = effects.mean(axis=(1, 2))
        error[part] = np.sqrt(little_bags_variance(effects))
    return Effects(cate, error)


def little_bags_variance(effects: Matrix) -> Matrix:
    """Variance of the mean of all trees, shape (n, K), from the trees' own answers.

    The difference of two mean squares can be negative by chance; then the prior mean of a variance
    that is known to be positive takes its place: with between-groups mean square B and own noise
    W, both with the error of B, the estimate is E[v | v > 0] for v normal around B - W with
    standard deviation B sqrt(2 / (groups - 1)).

    Args:
        effects: Answers of single trees, shape (n, groups, trees per group, K).

    Examples:
        >>> effects = np.array([1.0, 3.0, 5.0, 7.0]).reshape(1, 2, 2, 1)
        >>> float(_between(effects)[0, 0]), float(_within(effects)[0, 0])
        (8.0, 1.0)
    """
    between, within = _between(effects), _within(effects)
    scale = between * np.sqrt(2.0 / (effects.shape[1] - 1))
    raw = between - within
    ratio = raw / np.where(scale > 0.0, scale, 1.0)
    log_density = -0.5 * ratio**2 - 0.5 * np.log(2.0 * np.pi)
    lifted = raw + scale * np.exp(log_density - log_ndtr(ratio))
    return np.where(scale > 0.0, np.maximum(lifted, 0.0), 0.0)


def _between(effects: Matrix) -> Matrix:
    """Variance of the groups' means around the forest's."""
    return np.asarray(effects.mean(axis=2).var(axis=1, ddof=1))


def _within(effects: Matrix) -> Matrix:
    """What chance inside the groups adds to the variance of their means."""
    return np.asarray(effects.var(axis=2, ddof=1).mean(axis=1) / effects.shape[2])
