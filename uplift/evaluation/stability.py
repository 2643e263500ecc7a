"""Would another half of the log have taught the same? An unstable model shows here.

Two models are fitted to two halves of the training rows and asked for the effects of the same
customers. Over-fitted models disagree about who responds, and promise more spread than is there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, rankdata

from uplift.errors import ContractError
from uplift.evaluation.checks import FINITE, refuse
from uplift.evaluation.metrics import uplift_by_bin
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.resampling import Floats

Verdict = Literal["pass", "warn", "block"]


@dataclass(frozen=True)
class StabilityLimits:
    """Below which a model is doubted, and refused.

    On a log whose truth is known, good models had rank correlations of .55 to .75 and slopes of .8
    to 1.1, an over-fitted T-learner .21 and .40.
    """

    warn_spearman: float = 0.35
    block_spearman: float = 0.25
    warn_slope: float = 0.7
    block_slope: float = 0.5


DEFAULT_LIMITS = StabilityLimits()


@dataclass(frozen=True)
class Stability:
    """How alike two refits rank customers, and how much of the promised spread is real."""

    spearman: float  # of the effects of two half-refits; not a number if either is constant
    slope: float | None  # of calibration on rows that neither has seen; None if not measured
    limits: StabilityLimits = DEFAULT_LIMITS

    @property
    def verdict(self) -> Verdict:
        """The worse of the two answers."""
        answers = [answer for answer, _ in self._answers()]
        return max(answers, key=("pass", "warn", "block").index)

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each answer that is not a pass."""
        return tuple(words for answer, words in self._answers() if answer != "pass")

    def _answers(self) -> list[tuple[Verdict, str]]:
        limits = self.limits
        name = "rank correlation of two half-refits"
        asked = [(name, self.spearman, limits.warn_spearman, limits.block_spearman)]
        if self.slope is not None:
            asked.append(("calibration slope", self.slope, limits.warn_slope, limits.block_slope))
        return [_judge(*question) for question in asked]


def compare_refits(
    effect_a: npt.ArrayLike,
    effect_b: npt.ArrayLike,
    *,
    slope: float | None = None,
    limits: StabilityLimits = DEFAULT_LIMITS,
) -> Stability:
    """Compare the effects that two half-refits predict for the same customers.

    Args:
        effect_a: Of one treatment, by the model of one half, shape (n,). The customers should be
            in neither half.
        effect_b: By the model of the other half, same customers.
        slope: Of ``calibrate_effects`` for the model in question, if known.
        limits: For the verdict.

    Raises:
        ContractError: Shapes differ, or an effect is not finite.

    Examples:
        >>> compare_refits([0.1, 0.2, 0.3], [0.0, 0.5, 0.4], slope=0.6).verdict
        'warn'
    """
    a, b = (np.asarray(effect, dtype=np.float64) for effect in (effect_a, effect_b))
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise ContractError(
            f"effects of shapes {a.shape} and {b.shape}; give those of one treatment for the same "
            "two or more customers."
        )
    for name, effect in (("effect_a", a), ("effect_b", b)):
        refuse(name, effect[~np.isfinite(effect)], len(effect), way_out=FINITE)
    return Stability(spearman(a, b), slope, limits)


def spearman(a: Floats, b: Floats) -> float:
    """Correlation of ranks, ties at their mean rank; not a number if either is constant."""
    ranks_a, ranks_b = (rankdata(values) - (len(values) + 1) / 2 for values in (a, b))
    norm = math.sqrt(float(ranks_a @ ranks_a) * float(ranks_b @ ranks_b))
    return float(ranks_a @ ranks_b) / norm if norm > 0 else math.nan


@dataclass(frozen=True)
class UpliftByFold:
    """Measured effect per fold and bin: bins of one rank should agree across folds."""

    uplift: Floats  # (folds, bins)
    standard_error: Floats  # (folds, bins), from the replicates
    p_equal: Floats  # (bins,) Cochran's Q: small if folds differ by more than luck


def uplift_by_fold(folds: Sequence[RankedSums], treatment: int, *, bins: int = 10) -> UpliftByFold:
    """Effect by bin in every fold, each ranked by the model that has not seen it.

    Args:
        folds: The sums of each fold's rows, with replicates.
        treatment: Compared with control.
        bins: Of equal size.
    """
    if len(folds) < 2:
        raise ContractError(f"{len(folds)} folds cannot be compared; give at least 2.")
    found = [uplift_by_bin(sums, treatment, bins=bins).uplift for sums in folds]
    uplift = np.stack([values[0] for values in found])
    error = np.stack([np.std(values[1:], axis=0, ddof=1) for values in found])
    precision = 1.0 / error**2
    pooled = (uplift * precision).sum(axis=0) / precision.sum(axis=0)
    q = ((uplift - pooled) ** 2 * precision).sum(axis=0)
    return UpliftByFold(uplift, error, np.asarray(chi2.sf(q, len(folds) - 1)))


def _judge(name: str, value: float, warn: float, block: float) -> tuple[Verdict, str]:
    if math.isnan(value):
        return "block", f"There is no {name}: the effects are the same for everybody."
    if value < block:
        return "block", f"The {name} is {value:.3g}, below {block:g}: the model is not stable."
    if value < warn:
        return "warn", f"The {name} is {value:.3g}, below {warn:g}: doubt the ranking."
    return "pass", f"The {name} is {value:.3g}."
