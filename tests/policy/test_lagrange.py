"""Prices that keep a budget, caps and shares: by head, by brute force, by a second solver."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from uplift.errors import BudgetError
from uplift.policy.contenders import WEIGHED, Contenders
from uplift.policy.lagrange import solve
from uplift.policy.limits import Limit, budget_limit, in_memory
from uplift.policy.prices import TIE_STEPS

EURO = st.floats(0.0, 20.0) | st.integers(0, 20).map(float)
CENTS = st.integers(0, 2000).map(lambda cents: cents / 100.0)


def customers(gain, cost, *, fixed_arm=None, group=None):
    n = len(gain)
    return Contenders(
        gain=np.asarray(gain, dtype=float),
        cost=np.asarray(cost, dtype=float),
        fixed_arm=np.full(n, WEIGHED, np.int32) if fixed_arm is None else np.asarray(fixed_arm),
        tie=np.random.default_rng(n).integers(0, TIE_STEPS, n) / TIE_STEPS,
        group=np.array([None] * n if group is None else group, dtype=object),
        counts=np.ones(n, dtype=bool),
    )


def solved(who, *limits):
    found = solve(limits, in_memory(who), who.gain.shape[1])
    return who.arms_at(found.prices), found.prices


def spent(who, arm):
    return np.c_[np.zeros(len(arm)), who.cost][np.arange(len(arm)), arm].sum()


def earned(who, arm):
    return np.c_[np.zeros(len(arm)), who.gain - who.cost][np.arange(len(arm)), arm].sum()


def test_among_equals_as_many_are_served_as_the_budget_has_coupons():
    """All alike, as under a model that knows no customer: 1,000 coupons of 2 euro, 777 euro."""
    alike = customers(np.full((1000, 1), 8.0), np.full((1000, 1), 2.0))
    arm, prices = solved(alike, budget_limit(777.0))
    assert arm.sum() == 388
    assert set(alike.tie[arm == 1]) == set(np.sort(alike.tie)[:388])
    assert prices.budget.tie_price < 3.0 < prices.budget.price


def test_what_lies_between_two_equals_steps_is_split_too():
    """Everybody has 6 for 1; then 4 more for 2: half of all can have the dearer coupon."""
    alike = customers([[6.0, 10.0]] * 100, [[1.0, 3.0]] * 100)
    arm, _ = solved(alike, budget_limit(200.0))
    assert np.bincount(arm).tolist() == [0, 50, 50]


@settings(deadline=None)
@given(
    gain=arrays(float, (5, 2), elements=EURO),
    cost=arrays(float, (5, 2), elements=CENTS),
    budget=st.floats(0.0, 60.0),
)
def test_no_allocation_within_the_budget_beats_ours_by_more_than_the_gap(gain, cost, budget):
    who = customers(gain, cost)
    found = solve((budget_limit(budget),), in_memory(who), 2)
    arm, gap = who.arms_at(found.prices), found.duality_gap_eur
    spend, net = spent(who, arm), earned(who, arm)
    assert spend <= budget + 1e-8
    every = np.array(list(product(range(3), repeat=5)))
    rows = np.arange(5)
    spends = np.c_[np.zeros(5), cost][rows, every].sum(axis=1)
    best = np.c_[np.zeros(5), gain - cost][rows, every].sum(axis=1)[spends <= budget].max()
    assert net <= best + 1e-7
    assert best <= net + gap + 1e-6


@settings(deadline=None)
@given(
    gain=arrays(float, (6, 2), elements=EURO),
    cost=arrays(float, (6, 2), elements=CENTS),
    budget=st.floats(0.0, 60.0),
    cap=st.integers(0, 6),
)
def test_a_cap_and_a_budget_hold_at_once(gain, cost, budget, cap):
    who = customers(gain, cost)
    arm, _ = solved(who, Limit("cap", most=cap, arm=1), budget_limit(budget))
    assert (arm == 1).sum() <= cap
    assert spent(who, arm) <= budget + 1e-8


def relaxed(who, budget, cap, group, least):
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, eye, kron, vstack

    n, k = who.gain.shape
    first = np.tile([1.0] + [0.0] * (k - 1), n)
    inside = np.repeat(who.group == group, k).astype(float)
    one_each = kron(eye(n), csr_matrix(np.ones((1, k))))
    rows = [csr_matrix(row) for row in (who.cost.ravel(), first, -inside)]
    answer = linprog(
        -(who.gain - who.cost).ravel(),
        A_ub=vstack([*rows, one_each], format="csr"),
        b_ub=np.r_[budget, cap, -least, np.ones(n)],
        bounds=(0.0, 1.0),
        method="highs",
    )
    assert answer.success
    return -answer.fun


def test_budget_cap_and_least_share_come_close_to_the_relaxed_optimum():
    rng = np.random.default_rng(5)
    n = 4000
    who = customers(
        rng.gamma(2.0, 3.0, (n, 3)),
        rng.uniform(0.5, 9.0, (n, 3)),
        group=rng.choice(["north", "south"], n),
    )
    least = 1100
    limits = (
        Limit("cap", most=150, arm=1),
        Limit("north", least=least, group="north"),
        budget_limit(5000.0),
    )
    arm, prices = solved(who, *limits)
    assert (arm == 1).sum() <= 150
    assert ((arm > 0) & (who.group == "north")).sum() >= least
    assert spent(who, arm) <= 5000.0
    assert prices.groups["north"].price < 0.0 < prices.budget.price
    assert prices.arms[0].price > 0.0
    best = relaxed(who, 5000.0, 150, "north", least)
    gap = solve(limits, in_memory(who), 3).duality_gap_eur
    assert best <= earned(who, arm) + gap
    assert gap < 0.05 * best
    assert 0.99 * best < earned(who, arm) <= best


def test_a_group_gets_no_more_than_its_greatest_share():
    who = customers([[9.0]] * 10, [[1.0]] * 10, group=["a"] * 6 + ["b"] * 4)
    arm, _ = solved(who, Limit("a", most=2, group="a"))
    assert (arm[:6].sum(), arm[6:].sum()) == (2, 4)


def test_a_least_share_is_filled_by_those_who_lose_least():
    who = customers([[1.0], [0.5], [3.0], [0.2]], [[1.2]] * 4, group=["a"] * 4)
    arm, _ = solved(who, Limit("a", least=3, group="a"))
    assert arm.tolist() == [1, 1, 1, 0]


def test_what_chance_has_settled_counts_and_stays():
    who = customers([[9.0]] * 4, [[1.0]] * 4, fixed_arm=[1, 0, WEIGHED, WEIGHED])
    arm, _ = solved(who, Limit("cap", most=2, arm=1))
    assert (arm[:2].tolist(), arm.sum()) == ([1, 0], 2)


def test_limits_that_exploration_alone_breaks_are_refused():
    who = customers([[9.0]] * 4, [[1.0]] * 4, fixed_arm=[1, 1, WEIGHED, WEIGHED])
    for limit in (Limit("policy.max_coupons.c", most=1, arm=1), budget_limit(1.5)):
        with pytest.raises(BudgetError, match=r"exploration alone.*policy\."):
            solved(who, limit)


def test_more_customers_than_there_are_cannot_be_reached():
    who = customers([[9.0]] * 4, [[1.0]] * 4, group=["a"] * 4)
    with pytest.raises(BudgetError, match="at least 5 customers"):
        solved(who, Limit("a", least=5, group="a"))


def test_limits_that_contradict_each_other_are_named():
    who = customers([[9.0]] * 4, [[1.0]] * 4, group=["a"] * 4)
    with pytest.raises(BudgetError, match=r"\['a'|budget.*cannot all be kept"):
        solved(who, Limit("a", least=3, group="a"), budget_limit(2.0))


@pytest.mark.parametrize(("budget", "n"), [(0.0, 0), (1e9, 50)])
def test_no_budget_sends_nothing_and_plenty_sends_all_that_pays(budget, n):
    who = customers(np.full((50, 1), 8.0), np.full((50, 1), 2.0))
    arm, prices = solved(who, budget_limit(budget))
    assert arm.sum() == n
    assert (prices.budget.price == 0.0) == (n == 50)


def test_when_every_effect_is_negative_nobody_is_served_and_money_has_no_price():
    arm, prices = solved(customers([[-1.0, -2.0]] * 9, [[0.5, 1.0]] * 9), budget_limit(3.0))
    assert not arm.any()
    assert prices.budget.price == 0.0


def test_the_order_of_the_customers_changes_no_price():
    rng = np.random.default_rng(2)
    gain, cost = rng.gamma(2.0, 3.0, (500, 3)).round(0), rng.uniform(0.1, 9.0, (500, 3)).round(0)
    who = customers(gain, cost)
    turned = rng.permutation(500)
    moved = Contenders(*(values[turned] for values in vars(who).values()))
    limits = (Limit("cap", most=40, arm=2), budget_limit(300.0))
    arm, prices = solved(who, *limits)
    again, same = solved(moved, *limits)
    assert prices == same
    assert arm[turned].tolist() == again.tolist()
