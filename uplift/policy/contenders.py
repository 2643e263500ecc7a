"""The customers as a budget sees them: what each may gain and cost, and who is out of its reach."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL
from uplift.policy.assignment import draw
from uplift.policy.decision import ArmNumbers
from uplift.policy.prices import Prices
from uplift.policy.published import Policy
from uplift.policy.value import Matrix, gain_and_cost

WEIGHED = -1


@dataclass(frozen=True)
class Contenders:
    """n customers before prices are known; nothing here depends on a price.

    Attributes:
        gain: Of treatments 1..K in euro, minus infinity where the customer may not get the arm,
            shape (n, K).
        cost: Expected spend, same shape.
        fixed_arm: What chance or a ban has settled, whatever the prices; else ``WEIGHED``, (n,).
        tie: Who goes first among equals, shape (n,).
        group: Of each customer, or None, shape (n,).
        counts: Whether the customer counts as one of its group: may get something, and is not held
            out, shape (n,).
    """

    gain: Matrix
    cost: Matrix
    fixed_arm: npt.NDArray[np.int32]
    tie: Matrix
    group: npt.NDArray[np.object_]
    counts: npt.NDArray[np.bool_]

    def arms_at(self, prices: Prices) -> ArmNumbers:
        """What each gets at these prices: the decisions of ``decide``, shape (n,)."""
        chosen = prices.choose(self.gain, self.cost, self.tie, groups=self.group)
        decided: ArmNumbers = np.where(self.fixed_arm == WEIGHED, chosen, self.fixed_arm)
        return decided


def contenders(
    policy: Policy,
    unit_ids: Sequence[str],
    expected_conversion: npt.ArrayLike,
    expected_revenue: npt.ArrayLike | None,
    contactable: npt.ArrayLike,
    *,
    eligible: npt.ArrayLike | None = None,
    groups: Sequence[str | None] | None = None,
) -> Contenders:
    """The contenders among n units, any part of the customers; arguments as for ``decide``.

    Prices of ``policy`` do not matter; its shares, salt and values do.
    """
    gain, cost = gain_and_cost(expected_conversion, expected_revenue, value=policy.value)
    draws = draw(policy, unit_ids, eligible)
    is_open = np.asarray(contactable, dtype=np.bool_)
    if eligible is not None:
        gain = np.where(eligible, gain, -np.inf)
        is_open = is_open & np.asarray(eligible, dtype=np.bool_).any(axis=1)
    counts = is_open & ~draws.is_held_out
    fixed = np.where(draws.is_explorer, draws.explored_arm, WEIGHED)
    return Contenders(
        gain=gain,
        cost=cost,
        fixed_arm=np.where(counts, fixed, CONTROL).astype(np.int32),
        tie=draws.tie,
        group=np.array([None] * len(gain) if groups is None else groups, dtype=np.object_),
        counts=counts,
    )
