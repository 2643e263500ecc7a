"""Small sums per arm, and what an experimenter reads from them.

The sums are all a check needs. numpy fills them from rows, Spark from a ``groupBy``; the checks
cannot tell which.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, ndtri

from uplift.arms import CONTROL

Vector = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

MOST_LEVELS = 50  # of one categorical; zip codes would drown the rest


@dataclass(frozen=True)
class ArmCounts:
    """Per arm 0..K: units, and for each of C columns the nulls, the sum and the spread.

    Attributes:
        columns: Names of the C covariates or outcomes.
        n: Units, shape (K+1,).
        n_null: Units without a value, shape (K+1, C).
        total: Sums over the units with a value, shape (K+1, C).
        squared_deviations: Sums of squared deviations from the arm's mean, shape (K+1, C). Sums
            of plain squares would lose a small spread around a large mean.
    """

    columns: tuple[str, ...]
    n: Counts
    n_null: Counts
    total: Vector
    squared_deviations: Vector

    @property
    def n_filled(self) -> Counts:
        """Units with a value, shape (K+1, C)."""
        return self.n[:, None] - self.n_null

    @property
    def mean(self) -> Vector:
        """Shape (K+1, C); NaN where an arm has no value."""
        return _ratio(self.total, self.n_filled)

    @property
    def variance(self) -> Vector:
        """Of a sample (n - 1), shape (K+1, C); NaN where an arm has fewer than two values."""
        return _ratio(self.squared_deviations, self.n_filled - 1)

    def beside(self, other: "ArmCounts") -> "ArmCounts":
        """The columns of both, about the same units."""
        return ArmCounts(
            columns=self.columns + other.columns,
            n=self.n,
            n_null=np.hstack([self.n_null, other.n_null]),
            total=np.hstack([self.total, other.total]),
            squared_deviations=np.hstack([self.squared_deviations, other.squared_deviations]),
        )

    def with_missing(self) -> "ArmCounts":
        """One more column, 0 or 1, for each column that has nulls: is its value missing?"""
        has_null = np.flatnonzero(self.n_null.sum(axis=0))
        names = [f"{self.columns[column]} is missing" for column in has_null]
        return self.beside(indicator_counts(names, self.n, self.n_null[:, has_null]))


class SampleRatio(NamedTuple):
    """Pearson's test of arm sizes against planned shares."""

    chi2: float
    degrees_of_freedom: int
    p_value: float


class Effects(NamedTuple):
    """Differences in means to control, shape (K, C) each."""

    difference: Vector
    standard_error: Vector


def arm_counts(
    arm: npt.ArrayLike,
    numeric: Mapping[str, npt.ArrayLike],
    categorical: Mapping[str, Sequence[str | None]] | None = None,
    *,
    n_arms: int,
) -> ArmCounts:
    """The sums of rows in memory.

    Args:
        arm: Arm of each unit, shape (n,).
        numeric: Columns of shape (n,); NaN is a missing value.
        categorical: Columns of n texts; each level becomes a column of 0 and 1, and so does
            None, so that every share is one of all units.
        n_arms: K + 1.
    """
    arms = np.asarray(arm, dtype=np.int64)
    n = np.bincount(arms, minlength=n_arms)
    of_arm = [arms == k for k in range(n_arms)]
    values = [np.asarray(column, dtype=np.float64) for column in numeric.values()]
    filled = [[value[rows][~np.isnan(value[rows])] for value in values] for rows in of_arm]
    shape = (n_arms, len(values))
    counts = ArmCounts(
        columns=tuple(numeric),
        n=n,
        n_null=n[:, None] - _table(shape, filled, len).astype(np.int64),
        total=_table(shape, filled, np.sum),
        squared_deviations=_table(shape, filled, lambda v: v.var() * v.size if v.size else 0.0),
    ).with_missing()
    for name, texts in (categorical or {}).items():
        tally = {level: np.zeros(n_arms, dtype=np.int64) for level in set(texts)}
        for k, level in zip(arms.tolist(), texts, strict=True):
            tally[level][k] += 1
        counts = counts.beside(level_counts(name, tally, n))
    return counts


def level_counts(column: str, tally: Mapping[str | None, Counts], n: Counts) -> ArmCounts:
    """The sums of a categorical's levels as columns of 0 and 1.

    Args:
        column: The categorical's name.
        tally: Units per arm of each level, shape (K+1,); None is a missing value. Only the
            ``MOST_LEVELS`` largest get a column; all other units share one more.
        n: Units per arm, shape (K+1,).
    """
    largest = sorted(tally, key=lambda level: (-int(tally[level].sum()), *_by_name(level)))
    levels = sorted(largest[:MOST_LEVELS], key=_by_name)
    names = [f"{column} is {'missing' if level is None else repr(level)}" for level in levels]
    ones = [tally[level] for level in levels]
    others = n - np.sum(ones, axis=0, dtype=np.int64)
    if others.any():
        names.append(f"{column} is another level")
        ones.append(others)
    return indicator_counts(names, n, np.column_stack(ones))


def indicator_counts(names: Sequence[str], n: Counts, ones: Counts) -> ArmCounts:
    """The sums of columns of 0 and 1 without nulls, from the ones per arm, shape (K+1, C)."""
    total = ones.astype(np.float64).reshape(len(n), len(names))
    share = _ratio(total, np.broadcast_to(n[:, None], total.shape))
    return ArmCounts(
        columns=tuple(names),
        n=n,
        n_null=np.zeros(total.shape, dtype=np.int64),
        total=total,
        squared_deviations=np.nan_to_num(total * (1.0 - share)),
    )


def sample_ratio_mismatch(n: npt.ArrayLike, shares: npt.ArrayLike) -> SampleRatio:
    """How unlikely arm sizes are if every draw had the planned shares.

    Valid for independent draws: count what was drawn (households, where households were).

    Args:
        n: Draws per arm, shape (K+1,).
        shares: Planned shares, shape (K+1,); scaled to sum to 1.

    Examples:
        >>> sample_ratio_mismatch([60, 40], [0.5, 0.5])._replace(p_value=0.0)
        SampleRatio(chi2=4.0, degrees_of_freedom=1, p_value=0.0)
    """
    observed = np.asarray(n, dtype=np.float64)
    planned = np.asarray(shares, dtype=np.float64)
    expected = observed.sum() * planned / planned.sum()
    chi2 = float(np.sum((observed - expected) ** 2 / expected))
    degrees = observed.size - 1
    return SampleRatio(chi2, degrees, float(chdtrc(degrees, chi2)))


def standardized_mean_difference(counts: ArmCounts) -> Vector:
    """Treatment's mean minus control's, in units of their pooled spread, shape (K, C).

    0 where the column has no spread and no difference, or an arm has no value at all (its
    missingness is a column of its own); infinite where it has a difference but no spread.
    """
    mean, variance = counts.mean, np.nan_to_num(counts.variance)
    difference = np.nan_to_num(mean[1:] - mean[CONTROL])
    spread = np.sqrt((variance[1:] + variance[CONTROL]) / 2.0)
    scaled = np.zeros(spread.shape)
    with np.errstate(divide="ignore"):
        np.divide(difference, spread, out=scaled, where=difference != 0.0)
    return scaled


def chance_imbalance(counts: ArmCounts, p_value: float) -> Vector:
    """The |SMD| that chance alone exceeds somewhere in the table with this probability, (K,).

    For draws without clusters; a bound (Bonferroni), wide where covariates hang together.
    """
    share = 1.0 / counts.n.astype(np.float64)
    comparisons = max(1, (len(share) - 1) * len(counts.columns))
    deviations = -float(ndtri(p_value / comparisons / 2.0))
    bound: Vector = deviations * np.sqrt(share[1:] + share[CONTROL])
    return bound


def difference_in_means(outcomes: ArmCounts) -> Effects:
    """Average effect of each treatment on each outcome, with Welch's standard error.

    Valid where single units were drawn with the same chances: with clusters the standard error
    is too small, and with chances that differ between units the difference is biased.
    """
    mean = outcomes.mean
    squared_error = _ratio(outcomes.variance, outcomes.n_filled)
    return Effects(
        difference=mean[1:] - mean[CONTROL],
        standard_error=np.sqrt(squared_error[1:] + squared_error[CONTROL]),
    )


def _by_name(level: str | None) -> tuple[bool, str]:
    """Missing comes last."""
    return (level is None, level or "")


def _table(
    shape: tuple[int, int], filled: list[list[Vector]], summary: Callable[[Vector], float]
) -> Vector:
    return np.array([[summary(value) for value in row] for row in filled], dtype=float).reshape(
        shape
    )


def _ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Vector:
    """NaN where there is nothing to divide by."""
    above = np.asarray(numerator, dtype=np.float64)
    below = np.asarray(denominator, dtype=np.float64)
    ratio = np.full(above.shape, np.nan)
    np.divide(above, below, out=ratio, where=below > 0.0)
    return ratio
