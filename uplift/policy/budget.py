"""The price of a budget: one number that turns a limit on spending into a rule for each customer.

At any budget the best arms are found by one common threshold (the multiple-choice knapsack): walk
each customer's arms along the upper hull of (cost, gain) and buy every step whose slope, added
gain per added euro, beats the threshold. ``choose_arm`` buys the steps steeper than
1 + shadow price.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from uplift.errors import BudgetError
from uplift.policy.cuts import FINE_SHIFT, Integers, crossing_cells, histogram, lower_edge
from uplift.policy.value import Matrix

NANO_PER_EURO = 1_000_000_000


@dataclass(frozen=True)
class SpendSteps:
    """Steps along the cost-gain hulls of many units; every array has shape (m,).

    The steps of one unit come in falling order of slope. An arm under the hull has no step, for
    at no budget is it the best choice; nor has a step that earns no more than it costs.

    Attributes:
        unit: Row of the unit.
        arm: Arm that the step leads to.
        slope: Added gain per added euro; above 1, infinite where the gain is free.
        added_cost: Euro.
        added_gain: Euro.
    """

    unit: npt.NDArray[np.intp]
    arm: npt.NDArray[np.intp]
    slope: Matrix
    added_cost: Matrix
    added_gain: Matrix


def spend_steps(gain: npt.ArrayLike, cost: npt.ArrayLike) -> SpendSteps:
    """Walk the hull of every unit from control, which stands at (0, 0).

    Args:
        gain: Expected incremental margin of treatments 1..K in euro, shape (n, K).
        cost: Expected spend, same shape.

    Raises:
        BudgetError: A cost is negative or not finite.

    Examples:
        >>> steps = spend_steps(gain=[[40.0, 50.0]], cost=[[4.0, 8.0]])
        >>> steps.arm, steps.slope
        (array([1, 2]), array([10. ,  2.5]))
    """
    gains, costs = np.asarray(gain, dtype=np.float64), np.asarray(cost, dtype=np.float64)
    _require_prices(costs)
    unit = np.arange(len(costs))
    stand_gain, stand_cost = np.zeros(len(costs)), np.zeros(len(costs))
    walked = []
    for _ in range(costs.shape[1]):
        rise, run = gains[unit] - stand_gain[:, None], costs[unit] - stand_cost[:, None]
        slopes = np.where((run == 0.0) & (rise > 0.0), np.inf, -np.inf)
        with np.errstate(over="ignore"):  # next to free is free
            np.divide(rise, run, out=slopes, where=run > 0.0)
        steepest = slopes.max(axis=1, keepdims=True)
        # of equally steep steps the longest, so that no step is split in two
        best = np.where(slopes == steepest, rise, -np.inf).argmax(axis=1)
        row = np.flatnonzero(steepest[:, 0] > 1.0)
        unit, best = unit[row], best[row]
        walked.append((unit, best + 1, steepest[row, 0], run[row, best], rise[row, best]))
        stand_gain, stand_cost = gains[unit, best], costs[unit, best]
    return SpendSteps(*(np.concatenate(parts) for parts in zip(*walked, strict=True)))


def shadow_price(steps: SpendSteps, budget_eur: float | None) -> float:
    """What one more euro of budget would earn: the price at which spending just fits.

    The steepest steps are bought first. The first one that no longer fits, and with it all that
    are as steep, sets the price, so ``choose_arm`` at this price never spends more than the budget.
    It may spend less: equally steep steps are all left, and so are smaller, flatter ones that would
    still fit. What this loses is at most the ``duality_gap``. ``limits.solve`` splits ties.

    Args:
        steps: Of all units that the budget is for.
        budget_eur: Expected spend that must not be exceeded; None: no limit, hence price 0.

    Examples:
        >>> steps = spend_steps(gain=[[40.0], [30.0]], cost=[[4.0], [6.0]])
        >>> round(shadow_price(steps, 9.0), 6), shadow_price(steps, 10.0)
        (4.0, 0.0)
    """
    if budget_eur is None:
        return 0.0
    fill = partial(histogram, steps.slope, nano_euro(steps.added_cost))
    (crossing,) = crossing_cells(fill, [whole_nano_euro(budget_eur)])
    if crossing is None:
        return 0.0
    # in the middle of a cell: no slope is so close that rounding in choose_arm tips the scale
    threshold = (lower_edge(crossing + 1, FINE_SHIFT) + lower_edge(crossing + 2, FINE_SHIFT)) / 2.0
    return threshold - 1.0


def duality_gap(shadow_price: float, budget_eur: float | None, spend_eur: float) -> float:
    """Euro of net value by which any other allocation could be better, at most.

    The bound of Lagrange: the price times the money not spent. It is 0 without a limit.
    """
    return 0.0 if budget_eur is None else max(0.0, shadow_price * (budget_eur - spend_eur))


def nano_euro(euro: npt.ArrayLike) -> Integers:
    """Spend as integers, so that its sum knows no order: 10^-9 euro, rounded up.

    The noise of binary fractions is no reason to round up: 1.07 euro are 1,070,000,000.
    """
    counted: Integers = np.ceil(np.asarray(euro) * NANO_PER_EURO - 1e-3).astype(np.int64)
    return counted


def whole_nano_euro(budget_eur: float) -> int:
    """A budget in the unit of ``nano_euro``, rounded down; at most what 64 bits can hold."""
    return int(min(budget_eur * NANO_PER_EURO + 1e-3, np.nextafter(2.0**63, 0.0)))


def _require_prices(cost: Matrix) -> None:
    refused = ~((cost >= 0.0) & np.isfinite(cost))
    if refused.any():
        raise BudgetError(
            f"cost {cost[refused][0]} is negative or not finite ({int(refused.sum())} of "
            f"{cost.size} costs). Correct the costs in `campaign.treatments`, or train again if "
            "the model expects chances outside 0 to 1."
        )
