"""Average effects with standard errors that know what was drawn: units, or clusters of units.

Per arm only the moments of cluster totals are needed. numpy fills them from rows, Spark from two
``groupBy``; the effects cannot tell which.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from uplift.arms import CONTROL
from uplift.experiment.counts import Counts, Effects, Vector

_ROUNDING = 1e-12  # a variance this much smaller than what it was computed from is none


@dataclass(frozen=True)
class ClusterSums:
    """Moments over randomisation units (clusters) of their weights and weighted outcomes.

    A unit weighs 1/propensity where its outcome is known, else nothing. All moments are population
    moments over the clusters of an arm, shape (K+1, C) for C outcomes.

    Attributes:
        outcomes: Names of the C outcomes.
        n_clusters: Clusters per arm, shape (K+1,).
        weight_mean: Mean of the clusters' total weight.
        weight_variance: Its variance.
        total_mean: Mean of the clusters' total of weight times outcome.
        total_variance: Its variance.
        covariance: Of total weight and total outcome.
    """

    outcomes: tuple[str, ...]
    n_clusters: Counts
    weight_mean: Vector
    weight_variance: Vector
    total_mean: Vector
    total_variance: Vector
    covariance: Vector

    @property
    def mean(self) -> Vector:
        """Weighted mean outcome (Hajek), shape (K+1, C); NaN where an arm has none."""
        return _ratio(self.total_mean, self.weight_mean)

    @property
    def squared_error(self) -> Vector:
        """Variance of the mean by linearisation, shape (K+1, C); NaN below two clusters.

        With single units of equal weight it is the sample variance over n, which makes the error
        of a difference Welch's.
        """
        mean = self.mean
        scale = self.total_variance + mean**2 * self.weight_variance
        residual = scale - 2.0 * mean * self.covariance
        residual = np.where(residual <= _ROUNDING * scale, 0.0, residual)
        freedom = np.broadcast_to(self.n_clusters[:, None] - 1.0, residual.shape)
        return _ratio(residual, freedom * self.weight_mean**2)


def cluster_sums(
    arm: npt.ArrayLike,
    cluster_ids: Sequence[str],
    outcomes: Mapping[str, npt.ArrayLike],
    *,
    propensity: npt.ArrayLike | None = None,
    n_arms: int,
) -> ClusterSums:
    """The moments of rows in memory.

    Args:
        arm: Arm of each unit, shape (n,).
        cluster_ids: Randomisation unit of each unit, n texts.
        outcomes: Columns of shape (n,); NaN is a missing outcome.
        propensity: Chance of the arm drawn, shape (n,); None: the same for all of an arm.
        n_arms: K + 1.
    """
    arms = np.asarray(arm, dtype=np.int64)
    number = np.unique(np.asarray(cluster_ids, dtype=object), return_inverse=True)[1]
    weight = np.ones(arms.size) if propensity is None else 1.0 / np.asarray(propensity, float)
    values = np.column_stack([np.asarray(v, dtype=np.float64) for v in outcomes.values()])
    weights = np.where(np.isnan(values), 0.0, weight[:, None])
    totals = weights * np.nan_to_num(values)
    table = np.full((5, n_arms, values.shape[1]), np.nan)
    n_clusters = np.zeros(n_arms, dtype=np.int64)
    for k in np.unique(arms):
        rows = arms == k
        of_cluster = np.unique(number[rows], return_inverse=True)[1]
        n_clusters[k] = of_cluster.max() + 1
        for c in range(values.shape[1]):
            w = np.bincount(of_cluster, weights=weights[rows, c])
            t = np.bincount(of_cluster, weights=totals[rows, c])
            table[:, k, c] = w.mean(), w.var(), t.mean(), t.var(), np.cov(w, t, bias=True)[0, 1]
    return ClusterSums(tuple(outcomes), n_clusters, *table)


def average_effects(sums: ClusterSums) -> Effects:
    """Effect of each treatment on each outcome, with the error that its randomisation unit gives.

    Valid for about 40 clusters per arm or more; with fewer the errors are too small.
    """
    mean, squared_error = sums.mean, sums.squared_error
    return Effects(
        difference=mean[1:] - mean[CONTROL],
        standard_error=np.sqrt(squared_error[1:] + squared_error[CONTROL]),
    )


def smallest_detectable(
    standard_error: Vector, *, power: float = 0.8, level: float = 0.95
) -> Vector:
    """The true effect that an experiment of this precision finds with this power (two-sided).

    Examples:
        >>> float(smallest_detectable(np.array(0.01)).round(4))
        0.028
    """
    reach: Vector = (ndtri((1.0 + level) / 2.0) + ndtri(power)) * standard_error
    return reach


def _ratio(numerator: Vector, denominator: Vector) -> Vector:
    ratio = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0.0)
    return ratio
