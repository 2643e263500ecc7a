"""How sure an average of trees is of an effect: the bootstrap of little bags.

Trees come in groups, and a group's trees share one half of the units. Between the means of groups
lies the sampling variance of the forest, plus what the trees of a group differ by for reasons of
their own; the latter is measured inside the groups and taken off (Athey, Tibshirani and Wager,
Annals of Statistics 2019, section 4.1, after Sexton and Laake 2009; half-samples instead of the
infinitesimal jackknife of Wager, Hastie and Efron, JMLR 2014). All it takes are the answers of
single trees, so a compiled forest tells its own errors wherever it is loaded.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr

from uplift.arms import CONTROL
from uplift.ensemble.flat import FlatEnsemble, Matrix

_CHUNK_BYTES = 32 << 20  # answers of single trees held at once


def effect_standard_errors(ensemble: FlatEnsemble, features: Matrix) -> Matrix | None:
    """Standard error of every output minus the first, shape (n, n_outputs - 1).

    None where the trees stand alone, or in one group only: then nothing tells. The errors know
    nothing of bias, and have a noise of their own that falls with the number of groups: 100 groups
    leave about 7 % of it, and the noise of single trees needs a few hundred of them.

    Args:
        ensemble: Its trees were grown honestly, each group on a half of the units.
        features: Shape (n, d).
    """
    size = ensemble.trees_per_group
    n_groups = len(ensemble.roots) // size
    if size < 2 or n_groups < 2:
        return None
    trees = ensemble.single_trees
    errors = np.empty((len(features), ensemble.n_outputs - 1))
    n_rows = max(1, _CHUNK_BYTES // (8 * trees.n_outputs))
    for start in range(0, len(features), n_rows):
        part = slice(start, start + n_rows)
        answers = trees.raw(features[part]).reshape(-1, n_groups, size, ensemble.n_outputs)
        effects = np.delete(answers, CONTROL, axis=3) - answers[..., [CONTROL]]
        errors[part] = np.sqrt(little_bags_variance(effects)) * len(ensemble.roots)
    return errors


def little_bags_variance(effects: npt.NDArray[np.float64]) -> Matrix:
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


def _between(effects: npt.NDArray[np.float64]) -> Matrix:
    """Variance of the groups' means around the forest's."""
    return np.asarray(effects.mean(axis=2).var(axis=1, ddof=1))


def _within(effects: npt.NDArray[np.float64]) -> Matrix:
    """What chance inside the groups adds to the variance of their means."""
    return np.asarray(effects.var(axis=2, ddof=1).mean(axis=1) / effects.shape[2])
