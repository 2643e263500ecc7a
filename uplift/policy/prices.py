"""Prices that keep limits: of the budget, of each capped coupon, of each group of customers.

At a price, a limit is kept by every customer deciding alone. Where many are alike, no price splits
them: all would be served, or none. So a price has a second, lower value, for a share of customers
drawn by a sticky hash: the limit is filled to the last customer that fits, in batch and online.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from uplift.hashing import hash_uniforms
from uplift.policy.decision import ArmNumbers, choose_arm
from uplift.policy.value import Matrix

TIE_STEPS = 1 << 32  # draws are multiples of its inverse, so that sums and differences are exact

Groups = Sequence[str | None] | npt.NDArray[np.object_]


@dataclass(frozen=True)
class Price:
    """What one unit of a limit costs; two values, so that ties can be split.

    Attributes:
        price: For all but those below.
        tie_price: At most ``price``, next to it: for customers whose draw is below ``tie_share``.
        tie_share: Share of customers, 0 to 1.
    """

    price: float = 0.0
    tie_price: float = 0.0
    tie_share: float = 0.0

    def of(self, tie: Matrix) -> Matrix:
        """The price for each draw, shape (n,)."""
        if self.tie_share == 0.0:
            return np.full(len(tie), self.price)
        paid: Matrix = np.where(tie < self.tie_share, self.tie_price, self.price)
        return paid


@dataclass(frozen=True)
class Prices:
    """All prices of a policy.

    Attributes:
        budget: Euro of gain that one euro of budget must earn beyond itself.
        arms: Of sending treatment 1..K, euro each; empty: none is capped.
        groups: Of sending anything to a customer of the group, euro; below 0 it is a subsidy.
    """

    budget: Price = Price()
    arms: tuple[Price, ...] = ()
    groups: Mapping[str, Price] = field(default_factory=dict)

    def choose(
        self,
        gain: Matrix,
        cost: Matrix,
        tie: Matrix,
        *,
        eligible: npt.ArrayLike | None = None,
        groups: Groups | None = None,
    ) -> ArmNumbers:
        """The arm of each unit, shape (n,); gain and cost have shape (n, K), ``tie`` (n,).

        A price per coupon comes off its gain.
        """
        return choose_arm(
            self.priced_gain(gain, tie, groups),
            cost,
            shadow_price=self.budget.of(tie),
            eligible=eligible,
        )

    def priced_gain(self, gain: Matrix, tie: Matrix, groups: Groups | None) -> Matrix:
        """Gain less what caps and groups charge, shape (n, K)."""
        if self.arms:
            gain = gain - np.column_stack([price.of(tie) for price in self.arms])
        if self.groups:
            gain = gain - self._of_groups(tie, groups)[:, None]
        return gain

    def of(self, arm: int | None, group: str | None) -> Price:
        """The price of an arm, of a group, or, for neither, of the budget."""
        if arm is not None:
            return self.arms[arm - 1]
        return self.budget if group is None else self.groups[group]

    def strata(self) -> list[tuple[float, float]]:
        """Draws that pay the same prices: a draw of each stratum, and its share of all draws."""
        every = (self.budget, *self.arms, *self.groups.values())
        edges = sorted({0.0, 1.0, *(price.tie_share for price in every)})
        return [(low, high - low) for low, high in itertools.pairwise(edges)]

    def _of_groups(self, tie: Matrix, groups: Groups | None) -> Matrix:
        paid = np.zeros(len(tie))
        if groups is not None:
            group_of = np.asarray(groups, dtype=np.object_)
            for name, price in self.groups.items():
                paid = np.where(group_of == name, price.of(tie), paid)
        return paid


def tie_draws(unit_ids: Sequence[str], salt: str) -> Matrix:
    """A sticky draw per unit in [0, 1), a multiple of 2^-32."""
    draws: Matrix = np.floor(hash_uniforms(unit_ids, salt) * TIE_STEPS) / TIE_STEPS
    return draws
