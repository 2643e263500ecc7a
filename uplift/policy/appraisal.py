"""What every coupon would be worth for each customer, before any budget."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.policy.decision import choose_arm
from uplift.policy.evidence import EffectIntervals, weigh_evidence
from uplift.policy.segments import PERSUADABLE, assign_segments
from uplift.policy.types import type_shares
from uplift.policy.value import Matrix, ValueRule, expected_by_arm, gain_and_cost, margin_of


@dataclass(frozen=True)
class Appraisal:
    """The worth of all coupons for n units.

    Attributes:
        gain: Expected incremental margin of treatments 1..K, euro, shape (n, K).
        cost: Expected spend, same shape.
        best_arm: The arm to choose if the budget did not bind, shape (n,).
        priority: Net value of the best coupon, euro, also where it is a loss, shape (n,).
        segment: Name of the response segment, shape (n,).
        evidence: ``strong`` or ``weak``: whether the data bear the segment out, shape (n,).
        arm_evidence: The same for the sign of every arm's net value, shape (n, K).
        persuadable_low: Chance, at least, that the best coupon makes this unit convert who would
            not have without it, given the two expected conversions, shape (n,). The chances of the
            other types follow: see ``types``.
        persuadable_high: ... at most, shape (n,).
    """

    gain: Matrix
    cost: Matrix
    best_arm: npt.NDArray[np.intp]
    priority: Matrix
    segment: npt.NDArray[np.str_]
    evidence: npt.NDArray[np.str_]
    arm_evidence: npt.NDArray[np.str_]
    persuadable_low: Matrix
    persuadable_high: Matrix


def appraise(
    expected_conversion: npt.ArrayLike,
    expected_revenue: npt.ArrayLike | None,
    *,
    value: ValueRule,
    sure_thing_conversion: float,
    harm_tolerance: float,
    intervals: EffectIntervals | None = None,
    standard_error: Mapping[str, npt.ArrayLike | None] | None = None,
) -> Appraisal:
    """Price every coupon for every unit.

    Each row's answer depends on that row alone, to the last bit: batch and single agree.

    Args:
        expected_conversion: As in ``gain_and_cost``.
        expected_revenue: As in ``gain_and_cost``.
        value: As in ``gain_and_cost``.
        sure_thing_conversion: As in ``assign_segments``.
        harm_tolerance: As in ``assign_segments``.
        intervals: How sure predicted effects are; None: nobody knows, all evidence is weak.
        standard_error: By outcome, of each unit's effects, shape (n, K), where the model knows.
    """
    gain, cost = gain_and_cost(expected_conversion, expected_revenue, value=value)
    conversion = expected_by_arm("expected_conversion", expected_conversion, value)
    net_value = gain - cost
    best, priority = net_value.argmax(axis=1), net_value.max(axis=1)
    segment = assign_segments(
        conversion,
        priority,
        sure_thing_conversion=sure_thing_conversion,
        harm_tolerance=harm_tolerance,
    )
    known, errors = intervals or EffectIntervals(), standard_error or {}
    effect = conversion[:, 1:] - conversion[:, :1]
    bounds = known.of("conversion", effect, errors.get("conversion"))
    earning = bounds
    if value.basis == "revenue":
        revenue = expected_by_arm("expected_revenue", expected_revenue, value)
        earning = known.of("revenue", revenue[:, 1:] - revenue[:, :1], errors.get("revenue"))
    net_low, net_high = (
        margin_of(side, harmed, value) - cost for side, harmed in zip(earning, bounds, strict=True)
    )
    evidence, arm_evidence = weigh_evidence(segment, bounds, (net_low, net_high), best)
    chances = conversion.clip(0.0, 1.0)
    persuadable = type_shares(chances[np.arange(len(best)), best + 1], chances[:, 0])[PERSUADABLE]
    return Appraisal(
        gain=gain,
        cost=cost,
        best_arm=choose_arm(gain, cost),
        priority=priority,
        segment=segment,
        evidence=evidence,
        arm_evidence=arm_evidence,
        persuadable_low=persuadable.low,
        persuadable_high=persuadable.high,
    )
