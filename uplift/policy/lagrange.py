"""What may be spent and sent, and the prices that keep it.

The multiple-choice knapsack by its Lagrangian. Each limit has a price; at given prices every
customer decides alone, by ``choose_arm``. One limit after the other gets the price at which it just
holds given the others, until all hold at once: for the budget alone, one round. A price is found by
histograms (``cuts``): the values at which customers leave, weighed with what they use of the limit.
Equals at the price are split by their draws, so a limit is filled up to the last customer that
fits. How far the answer can be from the best of all is the duality gap.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from uplift.errors import BudgetError
from uplift.policy.budget import NANO_PER_EURO, nano_euro
from uplift.policy.contenders import WEIGHED, Contenders
from uplift.policy.cuts import (
    COARSE_SHIFT,
    FINE_SHIFT,
    Integers,
    cells_of,
    crossing_cells,
    lower_edge,
)
from uplift.policy.decision import ArmNumbers
from uplift.policy.limits import Limit, Survey, budget_limit
from uplift.policy.prices import TIE_STEPS, Price, Prices
from uplift.policy.value import Matrix

_ROUNDS = 40  # of prices; limits that do not hold by then contradict each other
_FREE_ROUNDS = 12  # afterwards they only rise
_SLOWEST = 7  # the first rise is by 2^-7
_REACHES = ((1, 0.0), (1 << 10, 1e-9), (1 << 20, 1e-6))  # cells and, near 0, an amount
_SETTLED = cells_of([np.inf], FINE_SHIFT)[0]


@dataclass(frozen=True)
class Solution:
    """Prices at which all limits hold.

    Attributes:
        prices: Of every limit.
        duality_gap_eur: By how much net value any other allocation could be better, at most.
    """

    prices: Prices
    duality_gap_eur: float


def solve(limits: tuple[Limit, ...], survey: Survey, n_treatments: int) -> Solution:
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
        used, gap_eur = _account(limits, prices, survey)
        broken = [limit.name for limit, n in zip(limits, used, strict=True) if not _keeps(limit, n)]
        if not broken:
            return Solution(prices, gap_eur)
    raise BudgetError(
        f"the limits {broken} of "
        f"{[limit.name for limit in limits]} cannot all be kept: after {_ROUNDS} rounds of prices "
        "they still contradict each other. Raise `policy.budget_eur` or the caps, or lower the "
        "least shares of `policy.groups`."
    )


def budget_points(survey: Survey, prices: Prices, points: int) -> list[Prices]:
    """Prices of the budget at which equal parts of all useful money are spent, nothing first.

    The other prices stay as they are.
    """
    limit = budget_limit(0.0)
    free = replace(prices, budget=Price())
    fill = survey(partial(_leaving, limit=limit, prices=free))
    total = int(fill(COARSE_SHIFT, None).weight.sum())
    shares = [total * number // points for number in range(points)]
    found = crossing_cells(fill, shares)
    values = [_middle(cell + 1) - 1.0 for cell in found if cell is not None and cell < _SETTLED]
    return [replace(prices, budget=Price(v, v)) for v in dict.fromkeys(values)] + [free]


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


def _account(limits: tuple[Limit, ...], prices: Prices, survey: Survey) -> tuple[list[int], float]:
    """What is used of each limit at these prices, and how far the answer is from the best, euro.

    The bound is Lagrange's: price times what is left of each limit, and what those lose who were
    drawn to decide at a tie's lower price.
    """

    def totals(customers: Contenders) -> tuple[Matrix, Integers]:
        arm = customers.arms_at(prices)
        used = [int(limit.used(customers, arm).sum()) for limit in limits]
        regret = int(nano_euro(_regret(customers, arm, prices)).sum())
        return np.arange(1.0, len(limits) + 2.0), np.array([*used, regret], dtype=np.int64)

    found = survey(totals)(FINE_SHIFT, None)
    *used, regret = found.weight[::-1].tolist()
    gap = regret / NANO_PER_EURO
    for limit, n in zip(limits, used, strict=True):
        price = prices.of(limit.arm, limit.group).price
        bound = limit.most if price > 0.0 else limit.least
        gap += 0.0 if bound is None else price * (bound - n) / limit.per_unit
    return used, gap


def _regret(customers: Contenders, arm: ArmNumbers, prices: Prices) -> Matrix:
    """What each loses against its best arm at the prices without ties, euro."""
    nobody_ties = np.ones(len(arm))
    gain = prices.priced_gain(customers.gain, nobody_ties, customers.group)
    net = gain - (1.0 + prices.budget.price) * customers.cost
    net = np.column_stack([np.zeros(len(arm)), net])
    lost = net.max(axis=1) - net[np.arange(len(arm)), arm]
    regret: Matrix = np.where(customers.fixed_arm == WEIGHED, np.maximum(lost, 0.0), 0.0)
    return regret


def _keeps(limit: Limit, used: int) -> bool:
    return used >= limit.least and (limit.most is None or used <= limit.most)


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


def _too_much_by_chance(limit: Limit) -> str:
    return (
        f"exploration alone would use more than `{limit.name}` allows. Lower "
        "`policy.exploration_share`, or raise the limit."
    )
