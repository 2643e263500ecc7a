"""Gain against spend with several arms and costs: what a budget would really have bought.

The path of budgets buys single steps, from one arm of a customer to a dearer one, in falling order
of added gain per added euro (Sverdrup, Wu, Athey and Wager 2023; Zemel's linear knapsack). The path
follows predictions; what each step gained is told by scores of rows that were randomised. With one
treatment and equal costs it is the curve of ``summed_scores``, by another axis.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL
from uplift.errors import ContractError
from uplift.evaluation.checks import FINITE, refuse
from uplift.evaluation.curves import Curve, ratio
from uplift.evaluation.ranked_sums import block_of, cut_points
from uplift.evaluation.resampling import (
    Floats,
    Ints,
    Keys,
    exact_grid,
    replicate_sums,
    round_to,
)


@dataclass(frozen=True)
class SpendSums:
    """Added cost and gain per block of equally steep steps, the steepest block first."""

    n: Floats  # (R + 1,) rows
    cost: Floats  # (R + 1, B)
    gain: Floats  # (R + 1, B)


@dataclass(frozen=True)
class SpendPlan:
    """What must be known of all steps before any can be added up; small, and picklable."""

    cuts: Floats  # (B - 1,) ascending slopes; a block begins at each
    replicates: int
    seed: int
    cost_grid: float
    gain_grid: float

    def add_up(
        self, slope: Floats, added_cost: Floats, added_gain: Floats, step_keys: Keys, row_keys: Keys
    ) -> list[Floats]:
        """Sums over some rows and all their steps, to be added to those of others in any order.

        Args:
            slope: Of each step, shape (m,).
            added_cost: Shape (m,).
            added_gain: By the scores of the step's row, shape (m,).
            step_keys: Of the randomisation unit of the step's row, shape (m,).
            row_keys: Of all rows, those without a step too, shape (n,).
        """
        values = np.column_stack(
            [round_to(added_cost, self.cost_grid), round_to(added_gain, self.gain_grid)]
        )
        how = {"replicates": self.replicates, "seed": self.seed}
        steps = replicate_sums(
            block_of(slope, self.cuts), values, step_keys, n_cells=len(self.cuts) + 1, **how
        )
        nowhere = np.zeros(len(row_keys), dtype=np.int64)
        ones = np.ones((len(row_keys), 1))
        rows = replicate_sums(nowhere, ones, row_keys, n_cells=1, **how)
        return [np.concatenate([steps.reshape(len(rows), -1), rows[:, :, 0]], axis=1).ravel()]

    def finish(self, parts: Sequence[Floats]) -> SpendSums:
        """``SpendSums`` from the parts summed over all rows."""
        sums = parts[0].reshape(self.replicates + 1, -1)
        return SpendSums(
            n=sums[:, -1].copy(), cost=sums[:, :-1:2].copy(), gain=sums[:, 1:-1:2].copy()
        )


def spend_sums(
    unit: npt.ArrayLike,
    arm: npt.ArrayLike,
    slope: npt.ArrayLike,
    added_cost: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    keys: Keys | None = None,
    replicates: int = 0,
    seed: int = 0,
    max_blocks: int | None = None,
) -> SpendSums:
    """Sum steps into blocks of equal slope. Valid for steps made without these rows' outcomes.

    Args:
        unit: Row of each step, shape (m,); the steps of a row in the order they are bought. These
            four are fields of ``uplift.policy.SpendSteps``.
        arm: Arm that the step leads to, from control or from the row's step before, shape (m,).
        slope: Predicted added gain per added euro, shape (m,); infinite where gain is free.
        added_cost: Euro, shape (m,).
        scores: Of every arm, shape (n, K + 1), control first: ``arm_scores``; or what is known of
            every arm, where the truth is.
        keys: Of the rows' randomisation units, shape (n,); None makes each row its own.
        replicates: R, of the Poisson bootstrap.
        seed: Of the bootstrap.
        max_blocks: The most blocks; None keeps every distinct slope apart.

    Raises:
        ContractError: A step leads nowhere, or a value is missing.
    """
    rows, arms = np.asarray(unit, dtype=np.int64), np.asarray(arm, dtype=np.int64)
    slopes, costs = (np.asarray(column, dtype=np.float64) for column in (slope, added_cost))
    table = np.asarray(scores, dtype=np.float64)
    units = np.arange(len(table), dtype=np.uint64) if keys is None else keys
    gains = added_gains(rows, arms, table)
    refuse("added_cost", costs[~(costs >= 0)], len(costs), way_out="spending adds up")
    refuse("slope", slopes[np.isnan(slopes)], len(slopes), way_out=FINITE)
    if max_blocks is None:
        cuts = np.unique(slopes)[1:]
    else:
        cuts = cut_points(slopes, max_blocks, lambda: slopes)
    plan = SpendPlan(
        cuts=cuts,
        replicates=replicates,
        seed=seed,
        cost_grid=exact_grid(float(costs.max(initial=0.0)), len(costs)),
        gain_grid=exact_grid(float(np.abs(gains).max(initial=0.0)), len(gains)),
    )
    return plan.finish([*plan.add_up(slopes, costs, gains, units[rows], units)])


def added_gains(unit: Ints, arm: Ints, scores: Floats) -> Floats:
    """Score of the arm that each step leads to, less that of the arm it leaves; shape (m,)."""
    refuse("scores", scores[~np.isfinite(scores)], scores.size, way_out=FINITE)
    outside = (unit < 0) | (unit >= len(scores))
    refuse("unit", unit[outside], len(unit), way_out=f"the scores have {len(scores)} rows")
    strange = (arm <= CONTROL) | (arm >= scores.shape[1])
    refuse(
        "arm",
        arm[strange],
        len(arm),
        way_out=f"steps lead to treatments 1 to {scores.shape[1] - 1}",
    )
    order = np.argsort(unit, kind="stable")
    ordered_unit, ordered_arm = unit[order], arm[order]
    left = np.full(len(unit), CONTROL)
    goes_on = ordered_unit[1:] == ordered_unit[:-1]
    left[1:][goes_on] = ordered_arm[:-1][goes_on]
    before = np.empty_like(left)
    before[order] = left
    return np.asarray(scores[unit, arm] - scores[unit, before])


def spend_curve(sums: SpendSums) -> Curve:
    """Mean gain over mean spend, per row: from (0, 0) to all steps bought.

    Steeper predictions first; between points the steps of a block are bought in random order.
    """

    def path(blocks: Floats) -> Floats:
        start = np.zeros((len(blocks), 1))
        bought = np.concatenate([start, np.cumsum(blocks, axis=1)], axis=1)
        return ratio(bought, sums.n[:, np.newaxis])

    return Curve(path(sums.cost), path(sums.gain))


def gain_at_spend(sums: SpendSums, spend: float) -> Floats:
    """Mean gain per row at a mean spend per row, shape (R + 1,); flat once all steps are bought.

    Examples:
        Alice gains 30 and 10 by two coupons, Bob 40 and 50, Eve 10 and 55, for 3 and 6 euro:

        >>> known = [[0, 30, 10], [0, 40, 50], [0, 10, 55]]
        >>> sums = spend_sums([1, 0, 2, 1], [1, 1, 2, 2], [40 / 3, 10, 55 / 6, 10 / 3],
        ...                   [3, 3, 6, 3], known)
        >>> [round(3 * float(gain_at_spend(sums, spend)[0]), 6) for spend in (1, 2, 4, 5)]
        [40.0, 70.0, 125.0, 135.0]
    """
    if not spend >= 0:
        raise ContractError(f"spend {spend} per unit; give 0 or more euro.")
    curve = spend_curve(sums)
    pairs = zip(curve.at, curve.height, strict=True)
    return np.array([np.interp(spend, at, height) for at, height in pairs])
