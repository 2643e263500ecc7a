"""What may be spent and sent: limits, what each customer uses of them, and at which price less."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL
from uplift.policy.budget import NANO_PER_EURO, nano_euro, spend_steps, whole_nano_euro
from uplift.policy.contenders import WEIGHED, Contenders
from uplift.policy.cuts import FillHistogram, Integers, histogram
from uplift.policy.decision import ArmNumbers
from uplift.policy.prices import Prices
from uplift.policy.value import Matrix

Weigh: TypeAlias = Callable[[Contenders], tuple[Matrix, Integers]]
Survey: TypeAlias = Callable[[Weigh], FillHistogram]
"""Asks all customers: numpy at once, Spark batch by batch."""


@dataclass(frozen=True)
class Limit:
    """At most, or at least, so much of one thing; whole numbers, so that sums know no order.

    Attributes:
        name: For messages: the key in conf.
        most: None: no ceiling.
        least: 0: no floor.
        arm: The capped treatment; None: not a cap.
        group: The group; None: not a group's. A limit that is neither is the budget, nano-euro.
    """

    name: str
    most: int | None = None
    least: int = 0
    arm: int | None = None
    group: str | None = None

    def used(self, customers: Contenders, arm: ArmNumbers) -> Integers:
        """What each customer uses up with an arm, shape (n,)."""
        if self.arm is not None:
            return np.asarray(arm == self.arm, dtype=np.int64)
        if self.group is not None:
            return np.asarray((arm != CONTROL) & (customers.group == self.group), dtype=np.int64)
        cost = np.column_stack([np.zeros(len(arm)), customers.cost])
        return nano_euro(cost[np.arange(len(arm)), arm])

    def leaving(self, customers: Contenders, prices: Prices) -> tuple[Matrix, Integers]:
        """At which value each stops using the limit, all else unchanged, and what that frees.

        The value is the price in euro, or the slope, 1 + price, for the budget.

        Whoever chance has settled stays at any price: infinity.
        """
        weighed = customers.fixed_arm == WEIGHED
        fixed = self.used(customers, np.where(weighed, CONTROL, customers.fixed_arm))
        held, uses = np.full(int((fixed > 0).sum()), np.inf), fixed[fixed > 0]
        some = _part(customers, weighed)
        gain = prices.priced_gain(some.gain, some.tie, some.group)
        if self.arm is None and self.group is None:
            steps = spend_steps(gain, some.cost)
            value, weight = steps.slope, nano_euro(steps.added_cost)
        else:
            value, weight = self._margin(some, gain, prices)
        return np.concatenate([value, held]), np.concatenate([weight, uses])

    @property
    def per_unit(self) -> int:
        """Of what the price is per: a customer, or a euro counted in nano-euro."""
        return NANO_PER_EURO if self.arm is None and self.group is None else 1

    @property
    def free_of_charge(self) -> float:
        """The value, as of ``leaving``, at which the price is 0: a slope of 1, a margin of 0."""
        return 1.0 if self.arm is None and self.group is None else 0.0

    def _margin(self, some: Contenders, gain: Matrix, prices: Prices) -> tuple[Matrix, Integers]:
        """By how much the best arm that uses the limit beats the best that does not."""
        net = gain - (1.0 + prices.budget.of(some.tie)[:, None]) * some.cost
        if self.group is not None:
            inside = (some.group == self.group) & np.isfinite(net).any(axis=1)
            return net[inside].max(axis=1), np.ones(int(inside.sum()), dtype=np.int64)
        uses = self.arm - 1 if self.arm is not None else 0
        others = np.column_stack([np.zeros(len(net)), np.delete(net, uses, axis=1)])
        margin = net[:, uses] - others.max(axis=1)
        wants = (margin >= 0.0) & (net[:, uses] > 0.0)
        return margin[wants], np.ones(int(wants.sum()), dtype=np.int64)


def in_memory(customers: Contenders) -> Survey:
    """A survey of customers that numpy holds."""

    def survey(weigh: Weigh) -> FillHistogram:
        return partial(histogram, *weigh(customers))

    return survey


def budget_limit(budget_eur: float) -> Limit:
    """Spend at most so many euro."""
    return Limit("policy.budget_eur", most=whole_nano_euro(budget_eur))


def _part(customers: Contenders, rows: npt.NDArray[np.bool_]) -> Contenders:
    return Contenders(*(values[rows] for values in vars(customers).values()))
