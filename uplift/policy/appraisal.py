"""What every coupon would be worth for each customer, before any budget."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.policy.decision import choose_arm
from uplift.policy.segments import assign_segments
from uplift.policy.value import Matrix, ValueRule, gain_and_cost


@dataclass(frozen=True)
class Appraisal:
    """The worth of all coupons for n units.

    Attributes:
        gain: Expected incremental margin of treatments 1..K, euro, shape (n, K).
        cost: Expected spend, same shape.
        best_arm: The arm to choose if the budget did not bind, shape (n,).
        priority: Net value of the best coupon, euro, also where it is a loss, shape (n,).
        segment: Name of the response segment, shape (n,).
    """

    gain: Matrix
    cost: Matrix
    best_arm: npt.NDArray[np.intp]
    priority: Matrix
    segment: npt.NDArray[np.str_]


def appraise(
    expected_conversion: npt.ArrayLike,
    expected_revenue: npt.ArrayLike | None,
    *,
    value: ValueRule,
    sure_thing_conversion: float,
    harm_tolerance: float,
) -> Appraisal:
    """Price every coupon for every unit.

    Each row's answer depends on that row alone, to the last bit: batch and single agree. The
    arguments are those of ``gain_and_cost`` and ``assign_segments``.
    """
    gain, cost = gain_and_cost(expected_conversion, expected_revenue, value=value)
    priority = (gain - cost).max(axis=1)
    return Appraisal(
        gain=gain,
        cost=cost,
        best_arm=choose_arm(gain, cost),
        priority=priority,
        segment=assign_segments(
            expected_conversion,
            priority,
            sure_thing_conversion=sure_thing_conversion,
            harm_tolerance=harm_tolerance,
        ),
    )
