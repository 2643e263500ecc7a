"""What may be spent and sent, and the prices that keep it.

The multiple-choice knapsack by its Lagrangian. Each limit has a price; at given prices every
customer decides alone, by ``choose_arm``. One limit after the other gets the price at which it just
holds given the others, until all hold at once: for the budget alone, one round. A price is found by
histograms (``cuts``): the values at which customers leave, weighed with what they use of the limit.
Equals at the price are split by their draws, so a limit is filled up to the last customer that
fits. How far the answer can be from the best of all is ``lagrange_bound`` less its own net value.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np

from uplift.arms import CONTROL
from uplift.errors import BudgetError
from uplift.policy.budget import nano_euro, spend_steps, whole_nano_euro
from uplift.policy.contenders import WEIGHED, Contenders
from uplift.policy.cuts import (
    FINE_SHIFT,
    FillHistogram,
    Integers,
    cells_of,
    crossing_cells,
    histogram,
    lower_edge,
)
from uplift.policy.decision import ArmNumbers
from uplift.policy.prices import TIE_STEPS, Price, Prices
from uplift.policy.value import Matrix

Weigh: TypeAlias = Callable[[Contenders], tuple[Matrix, Integers]]
Survey: TypeAlias = Callable[[Weigh], FillHistogram]
"""Asks all customers: numpy at once, Spark batch by batch."""

_ROUNDS = 40  # of prices; limits that do not hold by then contradict each other
_FREE_ROUNDS = 12  # afterwards they only rise
_SLOWEST = 7  # the first rise is by 2^-7
_REACHES = ((1, 0.0), (1 << 10, 1e-9), (1 << 20, 1e-6))  # cells and, near 0, an amount
_SETTLED = cells_of([np.inf], FINE_SHIFT)[0]


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
            return (arm == self.arm).astype(np.int64)
        if self.group is not None:
            return ((arm != CONTROL) & (customers.group == self.group)).astype(np.int64)
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


def solve(limits: tuple[Limit, ...], survey: Survey, n_treatments: int) -> Prices:
    """Prices at which all limits hold.

    Args:
        limits: The budget last, so that it holds to the cent.
        survey: Asks all customers.
        n_treatments: K.

    Raises:
        BudgetError: A limit cannot be kept whatever the prices, or the limits contradict each
            other.
    """
    prices = Prices(
        arms=(Price(),) * n_treatments if any(limit.arm is not None for limit in limits) else (),
        groups={limit.group: Price() for limit in limits if limit.group is not None},
    )
    for turn in range(_ROUNDS):
        for limit in limits:
            price = _price(limit, prices, survey)
            if turn >= _FREE_ROUNDS and not limit.least:
                price = _raised(prices.of(limit.arm, limit.group), price, turn - _FREE_ROUNDS)
            prices = _with(prices, limit, price)
        if len(limits) < 2 or not _broken(limits, prices, survey):
            return prices
    raise BudgetError(
        f"the limits {[limit.name for limit in _broken(limits, prices, survey)]} of "
        f"{[limit.name for limit in limits]} cannot all be kept: after {_ROUNDS} rounds of prices "
        "they still contradict each other. Raise `policy.budget_eur` or the caps, or lower the "
        "least shares of `policy.groups`."
    )


def in_memory(customers: Contenders) -> Survey:
    """A survey of customers that numpy holds."""

    def survey(weigh: Weigh) -> FillHistogram:
        return partial(histogram, *weigh(customers))

    return survey


def budget_limit(budget_eur: float) -> Limit:
    """Spend at most so many euro."""
    return Limit("policy.budget_eur", most=whole_nano_euro(budget_eur))


def _price(limit: Limit, prices: Prices, survey: Survey) -> Price:
    """The price at which a limit just holds, given the other prices."""
    free = _with(prices, limit, Price())
    fill = survey(partial(_leaving, limit=limit, prices=free))
    limits = [total for total in (limit.most, limit.least - 1) if total is not None]
    found = dict(zip(limits, crossing_cells(fill, limits), strict=True))
    if limit.most is not None and (ceiling := found[limit.most]) is not None:
        if ceiling == _SETTLED:
            raise BudgetError(_too_much_by_chance(limit))
        if lower_edge(ceiling + 1, FINE_SHIFT) > limit.free_of_charge:
            return _split(limit, free, ceiling, limit.most, survey)
    if limit.least > 0:
        floor = found[limit.least - 1]
        if floor is None:
            raise BudgetError(
                f"`{limit.name}` asks for at least {limit.least:,} customers with a coupon; there "
                "are not so many who may get one. Lower it."
            )
        if lower_edge(floor, FINE_SHIFT) <= limit.free_of_charge:
            return _split(limit, free, floor, limit.least - 1, survey, including_the_last=True)
    return Price()


def _split(
    limit: Limit,
    free: Prices,
    crossing: int,
    total: int,
    survey: Survey,
    *,
    including_the_last: bool = False,
) -> Price:
    """The price around the crossing cell, and the share of draws that still fits.

    What is used at both values is counted by the very rule that decides. Should rounding in that
    rule blur the cell's edge, the two are taken further apart.
    """
    for cells, amount in _REACHES:
        high = _middle(crossing + cells) - limit.free_of_charge + amount
        low = _middle(crossing - cells) - limit.free_of_charge - amount
        if limit.group is None:
            low = max(low, 0.0)
        above, below = (_with(free, limit, Price(value)) for value in (high, low))
        fill = survey(partial(_by_draw, limit=limit, above=above, below=below))
        (cell,) = crossing_cells(fill, [total])
        if cell is None and not including_the_last:
            return Price(high, low, 1.0)
        if cell is not None and cell < _SETTLED:
            one_more = 1.0 / TIE_STEPS if including_the_last else 0.0
            return Price(high, low, 2.0 - lower_edge(cell, FINE_SHIFT) + one_more)
    raise BudgetError(
        f"no price keeps `{limit.name}`: the worth of customers differs by less than rounding. "
        "Correct `campaign.value`."
    )


def _leaving(customers: Contenders, limit: Limit, prices: Prices) -> tuple[Matrix, Integers]:
    return limit.leaving(customers, prices)


def _by_draw(
    customers: Contenders, limit: Limit, above: Prices, below: Prices
) -> tuple[Matrix, Integers]:
    """What is used at the higher price, and what more each uses at the lower, by draw."""
    at_least, at_most = (
        limit.used(customers, customers.arms_at(prices)) for prices in (above, below)
    )
    more = np.flatnonzero(at_most > at_least)
    values = np.append(2.0 - customers.tie[more], np.inf)  # in (1, 2] all cells are 2^-32 wide
    return values, np.append(at_most[more] - at_least[more], at_least.sum())


def _broken(limits: tuple[Limit, ...], prices: Prices, survey: Survey) -> list[Limit]:
    """Limits that do not hold at these prices."""

    def used(limit: Limit) -> int:
        def total(customers: Contenders) -> tuple[Matrix, Integers]:
            return np.zeros(1), limit.used(customers, customers.arms_at(prices)).sum(keepdims=True)

        return int(survey(total)(FINE_SHIFT, None).weight.sum())

    totals = [used(limit) for limit in limits]
    return [
        limit
        for limit, total in zip(limits, totals, strict=True)
        if total < limit.least or (limit.most is not None and total > limit.most)
    ]


def _with(prices: Prices, limit: Limit, price: Price) -> Prices:
    if limit.arm is not None:
        arms = list(prices.arms)
        arms[limit.arm - 1] = price
        return replace(prices, arms=tuple(arms))
    if limit.group is not None:
        groups: Mapping[str, Price] = {**prices.groups, limit.group: price}
        return replace(prices, groups=groups)
    return replace(prices, budget=price)


def _raised(old: Price, found: Price, turn: int) -> Price:
    """The dearer of the two, and by more each turn.

    Two limits may push a customer back and forth by next to nothing, for ever. Rising prices end
    that: at some height nobody buys. What is lost stands in the duality gap.
    """
    if (found.price, -found.tie_share) <= (old.price, -old.tie_share):
        return old
    step = math.ldexp(max(abs(old.price), 0.01), turn - _SLOWEST)
    value = max(found.price, old.price + step)
    return Price(value, value, 0.0)


def _middle(cell: int) -> float:
    return (lower_edge(cell, FINE_SHIFT) + lower_edge(cell + 1, FINE_SHIFT)) / 2.0


def _part(customers: Contenders, rows: np.ndarray) -> Contenders:  # type: ignore[type-arg]
    return Contenders(*(values[rows] for values in vars(customers).values()))


def _too_much_by_chance(limit: Limit) -> str:
    return (
        f"exploration alone would use more than `{limit.name}` allows. Lower "
        "`policy.exploration_share`, or raise the limit."
    )
