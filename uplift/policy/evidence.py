"""Whether data bear a segment out, so that nobody takes noise for a sleeping dog."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from uplift.policy.segments import PERSUADABLE, SLEEPING_DOG
from uplift.policy.value import Matrix

STRONG = "strong"
WEAK = "weak"
EVIDENCE = (STRONG, WEAK)

Names = npt.NDArray[np.str_]


@dataclass(frozen=True)
class EffectBins:
    """Measured effect of one treatment on held-out customers of similar predicted effect.

    Attributes:
        edges: Predicted effects at which the next bin begins, ascending, shape (B - 1,).
        low: Of the interval of the measured effect, by bin, shape (B,); None: cannot be said.
        high: Same shape.
    """

    edges: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]

    def interval(self, effect: Matrix) -> tuple[Matrix, Matrix]:
        """Bounds of the bin that each predicted effect falls into, each of shape (n,)."""
        edges, low, high = self._arrays
        place = edges.searchsorted(effect, side="right")
        return low[place], high[place]

    @cached_property
    def _arrays(self) -> tuple[Matrix, Matrix, Matrix]:
        edges, low, high = (
            np.array(values, dtype=np.float64) for values in (self.edges, self.low, self.high)
        )
        return edges, low, high


@dataclass(frozen=True)
class EffectIntervals:
    """How sure predicted effects are.

    Attributes:
        level: Of the intervals, such as 0.95.
        bins: By outcome, one per treatment; used where the model gives no standard errors.
    """

    level: float = 0.95
    bins: Mapping[str, tuple[EffectBins, ...]] = field(default_factory=dict)

    def of(
        self, outcome: str, effect: Matrix, standard_error: npt.ArrayLike | None = None
    ) -> tuple[Matrix, Matrix]:
        """Bounds of every effect, each of shape (n, K); not a number where nobody can say.

        Args:
            outcome: ``conversion`` or ``revenue``.
            effect: Predicted, shape (n, K).
            standard_error: Of the customer's own effect, same shape, where the model knows it.
        """
        if standard_error is not None:
            reach = NormalDist().inv_cdf((1.0 + self.level) / 2.0) * np.asarray(standard_error)
            return effect - reach, effect + reach
        if outcome not in self.bins:
            unknown = np.full(effect.shape, np.nan)
            return unknown, unknown
        pairs = [
            bins.interval(column) for bins, column in zip(self.bins[outcome], effect.T, strict=True)
        ]
        low, high = (np.column_stack(side) for side in zip(*pairs, strict=True))
        return low, high


def weigh_evidence(
    segment: Names,
    effect: tuple[Matrix, Matrix],
    net_value: tuple[Matrix, Matrix],
    best: npt.NDArray[np.intp],
) -> tuple[Names, Names]:
    """Strong where the whole interval agrees with the claim, weak elsewhere.

    A persuadable claims that the best coupon pays, a sleeping dog that every coupon does harm, the
    others that none pays. Each arm claims the sign of its net value.

    Args:
        segment: Shape (n,).
        effect: Bounds of the effects on conversion, each of shape (n, K).
        net_value: Bounds of the net values in euro, same shapes.
        best: Column of the best coupon, also where it is a loss, shape (n,).

    Returns:
        The evidence of the segment, shape (n,), and of every arm, shape (n, K).
    """
    low, high = net_value
    pays = low[np.arange(len(best)), best] > 0.0
    harms, none_pays = (effect[1] < 0.0).all(axis=1), (high <= 0.0).all(axis=1)
    others = np.where(segment == SLEEPING_DOG, harms, none_pays)
    is_strong = np.where(segment == PERSUADABLE, pays, others)
    of_arm = (low > 0.0) | (high < 0.0)
    return np.where(is_strong, STRONG, WEAK), np.where(of_arm, STRONG, WEAK)
