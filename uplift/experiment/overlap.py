"""Where do the arms meet? Chances by arm, what weights cost, and whom no comparison can reach."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from uplift.arms import CONTROL
from uplift.errors import OverlapError
from uplift.experiment.observed import Integers, Matrix, Rows, Vector
from uplift.experiment.propensity import clip_to_floor

TrimmingRule: TypeAlias = Literal["none", "floor", "crump"]

EDGES = np.linspace(0.0, 1.0, 51)  # of the histogram's bins
_FEWEST_COMPARABLE = 10  # units per arm whose chances of both arms reach the floor


@dataclass(frozen=True, eq=False)
class OverlapCounts:
    """Chances of arms by arm, as sums that add up over parts of a log.

    Attributes:
        histogram: Units by arm they got, arm the chance is of, and bin of ``EDGES``,
            shape (K+1, K+1, B).
        n_below_floor: Units by arm they got and arm whose chance is below the floor, (K+1, K+1).
        weight: Sum of 1 / propensity over the units of each arm, shape (K+1,).
        squared_weight: Sum of its squares, shape (K+1,).
    """

    histogram: Integers
    n_below_floor: Integers
    weight: Vector
    squared_weight: Vector

    def __add__(self, other: "OverlapCounts") -> "OverlapCounts":
        return OverlapCounts(
            self.histogram + other.histogram,
            self.n_below_floor + other.n_below_floor,
            self.weight + other.weight,
            self.squared_weight + other.squared_weight,
        )

    @property
    def n(self) -> Integers:
        """Units per arm, shape (K+1,)."""
        n: Integers = self.histogram[:, 0, :].sum(axis=1)
        return n

    @property
    def share_below_floor(self) -> Vector:
        """Share of all units whose chance of an arm is below the floor, shape (K+1,)."""
        share: Vector = self.n_below_floor.sum(axis=0) / max(int(self.n.sum()), 1)
        return share

    @property
    def effective_sample_size(self) -> Vector:
        """Equally weighted units that would tell as much, shape (K+1,); Kish (1965).

        Far below ``n`` where few units speak for many.
        """
        return _effective(self.weight, self.squared_weight)


@dataclass(frozen=True, eq=False)
class Trimming:
    """Who stays.

    Attributes:
        rule: What decided.
        lowest_chance: Least chance of an arm among those that stay, by design; None: no limit.
        keep: Shape (n,).
        n_trimmed: Units left out per arm, shape (K+1,).
    """

    rule: TrimmingRule
    lowest_chance: float | None
    keep: Rows
    n_trimmed: Integers


def overlap_counts(propensities: Matrix, arm: Integers, *, floor: float) -> OverlapCounts:
    """The sums of rows in memory, one part of a log or all of it.

    Args:
        propensities: Shape (n, K+1).
        arm: The arm each unit got, shape (n,).
        floor: Chances below are counted, and weigh as if they were the floor.
    """
    n_arms = propensities.shape[1]
    n_bins = EDGES.size - 1
    bins = np.clip(np.searchsorted(EDGES, propensities, side="right") - 1, 0, n_bins - 1)
    histogram = np.zeros((n_arms, n_arms, n_bins), dtype=np.int64)
    below = np.zeros((n_arms, n_arms), dtype=np.int64)
    for k in range(n_arms):
        np.add.at(histogram[:, k, :], (arm, bins[:, k]), 1)
        np.add.at(below[:, k], arm, propensities[:, k] < floor)
    weight = 1.0 / clip_to_floor(propensities, floor)[np.arange(arm.size), arm]
    return OverlapCounts(
        histogram=histogram,
        n_below_floor=below,
        weight=np.bincount(arm, weight, minlength=n_arms).astype(np.float64),
        squared_weight=np.bincount(arm, weight**2, minlength=n_arms).astype(np.float64),
    )


def check_overlap(propensities: Matrix, arm: Integers, *, floor: float) -> None:
    """Some units of either arm must have had a real chance of both.

    Raises:
        OverlapError: A treatment and control share hardly anybody who could have been in both.
    """
    for k in range(1, propensities.shape[1]):
        both = (propensities[:, [CONTROL, k]] >= floor).all(axis=1)
        for one in (k, CONTROL):
            n, n_both = int((arm == one).sum()), int((both & (arm == one)).sum())
            if n_both < _FEWEST_COMPARABLE:
                raise OverlapError(
                    f"of the units in arm {one} only {n_both} of {n} had a chance of "
                    f"{floor:g} or more of both arm {k} and control, so there is nobody to compare "
                    "them with. A feature that was made by the decision itself gives this: take "
                    "it out of `features`; else name the arm in `campaign.ignore_arms`, or lower "
                    "`experiment.propensity_floor`."
                )


def trim(propensities: Matrix, arm: Integers, *, rule: TrimmingRule, floor: float) -> Trimming:
    """Leave out units that some arm hardly ever meets; the rest is another population.

    Args:
        propensities: Shape (n, K+1).
        arm: The arm each unit got, shape (n,).
        rule: ``none``; ``floor``: whose chance of any arm is below the floor; ``crump``: see
            ``crump_limit``.
        floor: Of chances.
    """
    limit = trimming_limit(propensities, rule=rule, floor=floor)
    keep = is_kept(propensities, rule=rule, limit=limit)
    if rule == "crump":
        lowest: float | None = lowest_chance(limit, propensities.shape[1])
    else:
        lowest = floor if rule == "floor" else None
    n_trimmed = np.bincount(arm[~keep], minlength=propensities.shape[1]).astype(np.int64)
    return Trimming(rule, lowest, keep, n_trimmed)


def trimming_limit(propensities: Matrix, *, rule: TrimmingRule, floor: float) -> float:
    """What a rule compares units with; learned from a sample, ``is_kept`` applies it to all."""
    if rule == "crump":
        return crump_limit(propensities)
    return floor if rule == "floor" else 0.0


def is_kept(propensities: Matrix, *, rule: TrimmingRule, limit: float) -> Rows:
    """Who stays under a rule, shape (n,); no unit depends on the others."""
    if rule == "crump":
        kept: Rows = (1.0 / propensities).sum(axis=1) <= limit
        return kept
    return np.asarray(np.all(propensities >= limit, axis=1))


def crump_limit(propensities: Matrix) -> float:
    """The largest sum of 1 / chance over the arms that a unit may have.

    Where outcomes vary alike, it gives the units whose average effect is estimated best: Crump,
    Hotz, Imbens & Mitnik, "Dealing with limited overlap in estimation of average treatment
    effects" (Biometrika 96, 2009), theorem 1, who look for the set with the least
    ``E[1 / (e (1 - e)) | set] / P(set)``; for two arms 1/e + 1/(1-e) is that very fraction, for
    more see Yang, Imbens, Cui, Faries & Kadziola (Biometrics 72, 2016).
    """
    difficulty = np.sort((1.0 / propensities).sum(axis=1))
    m = np.arange(1, difficulty.size + 1)
    ends = np.append(difficulty[1:] != difficulty[:-1], True)  # equals stay or go together
    variance = np.where(ends, np.cumsum(difficulty) / m**2, np.inf)
    return float(difficulty[int(np.argmin(variance))])


def lowest_chance(limit: float, n_arms: int) -> float:
    """The chance below which no unit within the limit can have any arm.

    Examples:
        >>> round(lowest_chance(1 / (0.1 * 0.9), 2), 12)
        0.1
    """
    # one arm at e, the others share the rest alike: 1/e + (n-1)^2/(1-e) = limit
    others = (n_arms - 1) ** 2
    linear = limit + 1.0 - others
    root = max(linear**2 - 4.0 * limit, 0.0)
    return float((linear - np.sqrt(root)) / (2.0 * limit))


def population_shift(features: Matrix, keep: Rows) -> Vector:
    """Mean of those who stay minus the mean of all, in standard deviations of all, shape (d,).

    0 for a column without spread or values.
    """
    if not keep.any():
        return np.zeros(features.shape[1])
    filled = ~np.isnan(features)
    spread = np.array([_of(v[f], np.std) for v, f in zip(features.T, filled.T, strict=True)])
    kept, everybody = (
        np.array([_of(v[f & r], np.mean) for v, f in zip(features.T, filled.T, strict=True)])
        for r in (keep, np.ones_like(keep))
    )
    shift = np.zeros(spread.size)
    np.divide(kept - everybody, spread, out=shift, where=spread > 0.0)
    return shift


def _of(values: Vector, summary: Callable[[Vector], float]) -> float:
    return float(summary(values)) if values.size else 0.0


def _effective(weight: Vector, squared_weight: Vector) -> Vector:
    size = np.zeros(weight.shape)
    np.divide(weight**2, squared_weight, out=size, where=squared_weight > 0.0)
    return size
