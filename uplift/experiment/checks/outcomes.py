"""Are outcomes there, blind to the future, and numerous enough to tell an effect from noise?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from uplift.arms import Arms
from uplift.config import ExperimentChecks
from uplift.experiment.checks.base import (
    Check,
    grade,
    of_experiments,
    p_value_between_arms,
    shares_in_words,
)
from uplift.experiment.clusters import ClusterSums, average_effects, smallest_detectable
from uplift.experiment.counts import ArmCounts

LEVEL = 0.95  # of the intervals in the report
POWER = 0.8

_ROUNDING = 1e-12  # means that differ by less are the same


@dataclass(frozen=True)
class ArmEffect:
    """Average effect of one treatment on one outcome, arms weighted by 1/propensity.

    Attributes:
        outcome: Its name.
        arm: The treatment.
        mean: Of the treatment.
        mean_of_control: Of control.
        difference: Treatment minus control.
        standard_error: By randomisation unit.
        low: Lower end of the 95 % interval.
        high: Upper end.
        smallest_detectable: The true effect that such an experiment finds four times out of five.
    """

    outcome: str
    arm: str
    mean: float
    mean_of_control: float
    difference: float
    standard_error: float
    low: float
    high: float
    smallest_detectable: float


def arm_effects(arms: Arms, sums: ClusterSums) -> tuple[ArmEffect, ...]:
    """Of every treatment on every outcome, outcome by outcome."""
    mean = sums.mean
    effects = average_effects(sums)
    reach = float(ndtri((1.0 + LEVEL) / 2.0)) * effects.standard_error
    detectable = smallest_detectable(effects.standard_error, power=POWER, level=LEVEL)
    return tuple(
        ArmEffect(
            outcome=outcome,
            arm=arm,
            mean=float(mean[k + 1, c]),
            mean_of_control=float(mean[0, c]),
            difference=float(effects.difference[k, c]),
            standard_error=float(effects.standard_error[k, c]),
            low=float(effects.difference[k, c] - reach[k, c]),
            high=float(effects.difference[k, c] + reach[k, c]),
            smallest_detectable=float(detectable[k, c]),
        )
        for c, outcome in enumerate(sums.outcomes)
        for k, arm in enumerate(arms.treatments)
    )


def missing_outcomes(outcomes: ArmCounts, limits: ExperimentChecks) -> Check:
    """Outcomes that are missing more often in one arm make it look better or worse than it is."""
    column = int(np.argmax(outcomes.n_null.sum(axis=0)))
    n_null = outcomes.n_null[:, column]
    share = n_null / outcomes.n
    overall = float(n_null.sum() / outcomes.n.sum())
    p_value = p_value_between_arms(n_null, outcomes.n)
    by_arm = (
        f" ({shares_in_words(n_null, outcomes.n)} by arm; chance makes arms differ so in "
        f"{of_experiments(p_value)})"
    )
    refused = p_value < limits.arms_differ_p_value_fail
    refused &= bool(np.ptp(share) > limits.arms_differ_share_fail)
    return Check(
        "missing_outcomes",
        grade(
            overall > limits.missing_outcomes_warn or p_value < limits.arms_differ_p_value_warn,
            refused,
        ),
        overall,
        limits.missing_outcomes_warn,
        f"the {outcomes.columns[column]} of {n_null.sum():,} of {outcomes.n.sum():,} units is "
        f"missing{by_arm if n_null.any() else ''}",
    )


def placebo_effect(arms: Arms, before: ClusterSums, limits: ExperimentChecks) -> Check | None:
    """The effect on the outcome before the assignment, which nothing but a fault can make.

    p-values are two-sided normal ones, times the number of treatments. A difference without any
    spread inside the arms is infinitely far off. None where nobody has an outcome before: the log
    then starts too late to ask.
    """
    if not before.mean.any():
        return None
    effect = average_effects(before)
    difference, error = effect.difference[:, 0], effect.standard_error[:, 0]
    without_error = np.where(np.abs(difference) > _ROUNDING, np.copysign(np.inf, difference), 0.0)
    z = np.divide(difference, error, out=without_error, where=error > 0.0)
    p_values = np.minimum(1.0, 2.0 * ndtr(-np.abs(z)) * z.size)
    k = int(np.argmax(np.abs(z)))
    return Check(
        "placebo_effect",
        grade(
            bool(p_values[k] < limits.arms_differ_p_value_warn),
            bool(p_values[k] < limits.arms_differ_p_value_fail),
        ),
        float(z[k]),
        float(ndtri(1.0 - limits.arms_differ_p_value_warn / z.size / 2.0)),
        f"in the outcome window before the assignment arm {arms.treatments[k]!r} already differs "
        f"from control by {difference[k]:+.3g} conversions per unit (z = {z[k]:.2f}): "
        f"chance is that far off in {of_experiments(p_values[k])}",
    )


def power(effects: Sequence[ArmEffect], limits: ExperimentChecks) -> Check:
    """Of the first outcome; a log that finds only huge effects is no ground for fine decisions."""
    first = [effect for effect in effects if effect.outcome == effects[0].outcome]
    worst = max(first, key=lambda effect: np.nan_to_num(effect.smallest_detectable, nan=np.inf))
    base = abs(worst.mean_of_control)
    relative = worst.smallest_detectable / base if base > 0.0 else 0.0
    share = f", {relative:.0%} of control's {base:.4g}" if base > 0.0 else ""
    return Check(
        "power",
        grade(not relative <= limits.smallest_effect_warn, False),
        relative,
        limits.smallest_effect_warn,
        f"the smallest true effect on {worst.outcome} that such a log finds four times out of five "
        f"is {worst.smallest_detectable:.3g} (arm {worst.arm!r}){share}",
    )
