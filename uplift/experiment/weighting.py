"""Weights that make the arms alike, and whether they did: balance before and after."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from uplift.arms import CONTROL
from uplift.experiment.observed import Integers, Matrix, Vector
from uplift.experiment.propensity import clip_to_floor

Target: TypeAlias = Literal["att", "ate", "overlap"]

_MOST_LEVELS = 50


def weights(propensities: Matrix, arm: Integers, *, k: int, target: Target, floor: float) -> Vector:
    """What each unit speaks for when arm ``k`` is compared with control, shape (n,).

    A target population with density h relative to the log gives weights h / propensity (Li,
    Morgan & Zaslavsky, "Balancing covariates via propensity score weighting", JASA 113, 2018,
    table 1; for more than two arms Li & Li, Annals of Applied Statistics 13, 2019):

    - ``ate``: everybody, h = 1;
    - ``att``: those who got arm k, h = their chance of it;
    - ``overlap``: those whom every arm could have met, h = 1 / sum(1 / chance). No weight exceeds
      1, so no floor is needed.

    Args:
        propensities: Shape (n, K+1).
        arm: The arm each unit got, shape (n,).
        k: A treatment.
        target: Whose average effect is asked for.
        floor: Chances that a weight divides by are clipped to it.

    Returns:
        0 for units in neither of the two arms.
    """
    in_pair = (arm == k) | (arm == CONTROL)
    rows = np.arange(arm.size)
    if target == "overlap":
        h = 1.0 / (1.0 / propensities).sum(axis=1)
        return np.where(in_pair, h / propensities[rows, arm], 0.0)
    safe = clip_to_floor(propensities, floor)
    if target == "ate":
        return np.where(in_pair, 1.0 / safe[rows, arm], 0.0)
    # the chance of k is not clipped: who could not get k must not count among those who did
    against = propensities[:, k] / np.maximum(propensities[:, CONTROL], floor)
    return np.select([arm == k, arm == CONTROL], [1.0, against], 0.0)


@dataclass(frozen=True, eq=False)
class WeightedCounts:
    """Per arm and covariate: sums of weights and of weighted values, which add up over parts.

    Values are counted from ``origin``, the same for all parts, or a small spread around a large
    mean would be lost.

    Attributes:
        columns: Names of the C covariates.
        origin: Shape (C,).
        weight: Over the units with a value, shape (K+1, C).
        total: Of weight x value, shape (K+1, C).
        squares: Of weight x value squared, shape (K+1, C).
    """

    columns: tuple[str, ...]
    origin: Vector
    weight: Matrix
    total: Matrix
    squares: Matrix

    def __add__(self, other: "WeightedCounts") -> "WeightedCounts":
        return WeightedCounts(
            self.columns,
            self.origin,
            self.weight + other.weight,
            self.total + other.total,
            self.squares + other.squares,
        )

    @property
    def mean(self) -> Matrix:
        """From the origin, shape (K+1, C); 0 where an arm has no value."""
        return _ratio(self.total, self.weight)

    @property
    def spread(self) -> Matrix:
        """Standard deviation, shape (K+1, C)."""
        return np.sqrt(np.maximum(_ratio(self.squares, self.weight) - self.mean**2, 0.0))


def weighted_counts(
    covariates: Matrix,
    arm: Integers,
    weight: Vector,
    *,
    n_arms: int,
    columns: Sequence[str],
    origin: Vector,
) -> WeightedCounts:
    """The sums of rows in memory; NaN is left out of its column.

    Args:
        covariates: Shape (n, C).
        arm: Shape (n,).
        weight: Shape (n,); ones give the plain sums.
        n_arms: K + 1.
        columns: Names, C.
        origin: Where values are counted from, shape (C,).
    """
    centred = covariates - origin
    filled = ~np.isnan(centred)
    values = np.where(filled, centred, 0.0)
    member = (arm == np.arange(n_arms)[:, None]) * weight  # (K+1, n)
    return WeightedCounts(
        tuple(columns), origin, member @ filled, member @ values, member @ values**2
    )


def weighted_difference(weighted: WeightedCounts, plain: WeightedCounts, *, k: int) -> Vector:
    """Arm k's weighted mean minus control's, in unweighted standard deviations, shape (C,).

    The same yardstick before and after, or weights could look good by widening it (Stuart,
    "Matching methods for causal inference", Statistical Science 25, 2010, section 4.1). Infinite
    where there is a difference but no spread.
    """
    difference = weighted.mean[k] - weighted.mean[CONTROL]
    spread = np.sqrt((plain.spread[k] ** 2 + plain.spread[CONTROL] ** 2) / 2.0)
    negligible = np.abs(difference) <= 1e-12 * (1.0 + np.abs(plain.origin))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(negligible, 0.0, difference / spread)


def covariate_columns(
    features: Matrix, names: Sequence[str], categorical: Sequence[int]
) -> tuple[Matrix, tuple[str, ...]]:
    """Features as balance sees them, shape (n, C), and their names.

    A quantity stays; where it has missing values, being missing is a column of its own. Codes
    become a column of 0 and 1 per level, the ``_MOST_LEVELS`` most frequent ones.
    """
    found: list[tuple[str, Vector]] = []
    for column, name in enumerate(names):
        values = features[:, column]
        missing = np.isnan(values)
        if column in set(categorical):
            codes, n = np.unique(values[~missing], return_counts=True)
            frequent = np.sort(codes[np.argsort(-n, kind="stable")[:_MOST_LEVELS]])
            found += [(f"{name} is level {code:g}", (values == code) * 1.0) for code in frequent]
        elif not missing.all():
            found.append((name, values))
        if missing.any():
            found.append((f"{name} is missing", missing * 1.0))
    return np.column_stack([values for _, values in found]), tuple(name for name, _ in found)


def _ratio(above: Matrix, below: Matrix) -> Matrix:
    ratio = np.zeros(above.shape)
    np.divide(above, below, out=ratio, where=below > 0.0)
    return ratio
