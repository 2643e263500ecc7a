import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, kron, vstack

from uplift.errors import BudgetError
from uplift.policy.budget import duality_gap, nano_euro, shadow_price, spend_steps, whole_nano_euro
from uplift.policy.decision import choose_arm

# Three people, two coupons; the worked example of maq's reference.
PEOPLE = ("alice", "bob", "eve")
GAIN = np.array([[30.0, 10.0], [40.0, 50.0], [10.0, 55.0]])
COST = np.array([[3.0, 6.0]] * 3)


def allocate(gain, cost, budget_eur):
    """Arm, gain, spend and price under a budget."""
    price = shadow_price(spend_steps(gain, cost), budget_eur)
    arm = choose_arm(gain, cost, shadow_price=price)
    row = np.arange(len(arm))
    zero = np.zeros(len(arm))
    return arm, np.c_[zero, gain][row, arm].sum(), np.c_[zero, cost][row, arm].sum(), price


def test_the_hull_has_the_known_steps_and_leaves_out_what_lies_under_it():
    steps = spend_steps(GAIN, COST)
    order = np.argsort(-steps.slope)
    named = [
        (PEOPLE[steps.unit[i]], int(steps.arm[i]), round(float(steps.slope[i]), 2)) for i in order
    ]
    assert named == [("bob", 1, 13.33), ("alice", 1, 10.0), ("eve", 2, 9.17), ("bob", 2, 3.33)]


@pytest.mark.parametrize(
    ("average_spend", "gain", "arms"),
    [(1, 40, [0, 1, 0]), (2, 70, [1, 1, 0]), (4, 125, [1, 1, 2]), (5, 135, [1, 2, 2])],
)
def test_known_budgets_buy_the_known_gain(average_spend, gain, arms):
    arm, found, spend, _ = allocate(GAIN, COST, 3.0 * average_spend)
    assert (arm.tolist(), found, spend) == (arms, gain, 3.0 * average_spend)


def test_between_two_steps_the_budget_is_left_unspent_and_the_gap_covers_the_better_answers():
    """At 9 euro the best whole arms gain 95 and the best fractions 97.5; we stop at 70."""
    _, gain, spend, price = allocate(GAIN, COST, 9.0)
    assert (gain, spend) == (70.0, 6.0)
    assert (97.5 - 9.0) - (gain - spend) == pytest.approx(duality_gap(price, 9.0, spend))


def test_a_budget_that_does_not_bind_has_no_price():
    steps = spend_steps(GAIN, COST)
    assert shadow_price(steps, 15.0) == shadow_price(steps, None) == 0.0
    assert shadow_price(steps, 14.999) == pytest.approx(10.0 / 3.0 - 1.0, rel=1e-8)


def test_no_budget_buys_only_what_is_free():
    arm, *_ = allocate(np.array([[9.0], [1.0]]), np.array([[3.0], [0.0]]), 0.0)
    assert arm.tolist() == [0, 1]


def test_a_budget_is_spent_to_the_last_cent_in_spite_of_binary_fractions():
    """Ten coupons of 1.07 euro cost 10.7 euro, though 1.07e9 is above 1,070,000,000 in binary."""
    gain, cost = np.arange(10.0, 20.0)[:, None], np.full((10, 1), 1.07)
    assert allocate(gain, cost, 10.7)[0].tolist() == [1] * 10
    assert allocate(gain, cost, 10.69)[0].tolist() == [0] + [1] * 9


def test_equally_steep_steps_are_bought_together_or_not_at_all():
    gain, cost = np.full((4, 1), 8.0), np.full((4, 1), 2.0)
    assert allocate(gain, cost, 7.0)[0].tolist() == [0, 0, 0, 0]
    assert allocate(gain, cost, 8.0)[0].tolist() == [1, 1, 1, 1]


def test_a_step_that_earns_no_more_than_it_costs_is_no_step():
    assert len(spend_steps([[2.0, 2.5]], [[2.0, 3.0]]).slope) == 0


def test_spend_is_counted_in_whole_nano_euro_rounded_against_the_spender():
    assert nano_euro([1.07, 0.0, 1e-10, 1.0 / 3.0]).tolist() == [1_070_000_000, 0, 1, 333_333_334]
    assert [whole_nano_euro(b) for b in (51.0, 1.0 / 3.0)] == [51_000_000_000, 333_333_333]
    assert whole_nano_euro(1e300) < 2**63


@pytest.mark.parametrize("cost", [-0.5, math.nan, math.inf])
def test_a_cost_that_is_no_price_is_refused(cost):
    with pytest.raises(BudgetError, match=r"cost .* \(1 of 2 costs\).*campaign\.treatments"):
        spend_steps([[1.0], [1.0]], [[1.0], [cost]])


GAINS = st.floats(0.0, 20.0) | st.integers(0, 20).map(float)
COSTS = st.integers(0, 2000).map(lambda cents: cents / 100.0)


def tables(n, euro):
    return arrays(float, (n, 2), elements=euro)


@given(gain=tables(6, GAINS), cost=tables(6, COSTS))
def test_the_steps_of_a_unit_flatten_and_end_at_its_unbounded_choice(gain, cost):
    steps = spend_steps(gain, cost)
    arm = choose_arm(gain, cost)
    for unit in range(6):
        mine = steps.unit == unit
        slopes = steps.slope[mine]
        assert (slopes[1:] <= slopes[:-1] * (1.0 + 1e-12)).all()
        net = steps.added_gain[mine].sum() - steps.added_cost[mine].sum()
        best = 0.0 if arm[unit] == 0 else (gain - cost)[unit, arm[unit] - 1]
        assert net == pytest.approx(best)


@given(gain=tables(5, GAINS), cost=tables(5, COSTS), budget=st.floats(0.0, 60.0))
def test_no_allocation_of_whole_arms_is_better_than_the_gap_allows(gain, cost, budget):
    """Brute force over all 3^5 allocations; at our own spend none is better at all."""
    _, found, spend, price = allocate(gain, cost, budget)
    assert spend <= budget * (1 + 1e-9) + 1e-9
    net = np.c_[np.zeros(5), gain - cost]
    cost_of = np.c_[np.zeros(5), cost]
    allocations = np.array(list(product(range(3), repeat=5)))
    values = net[np.arange(5), allocations].sum(axis=1)
    spends = cost_of[np.arange(5), allocations].sum(axis=1)
    best = values[spends <= budget].max()
    ours = found - spend
    assert ours <= best + 1e-7
    assert best <= ours + duality_gap(price, budget, spend) + 1e-7
    assert values[spends <= spend].max() <= ours + 1e-7


def relaxed_optimum(gain, cost, budget):
    """Net value of the best fractional allocation, by HiGHS."""
    n, k = gain.shape
    one_arm_each = kron(csr_matrix(np.eye(n)), np.ones((1, k)))
    answer = linprog(
        -(gain - cost).ravel(),
        A_ub=vstack([cost.ravel()[None, :], one_arm_each]),
        b_ub=np.r_[budget, np.ones(n)],
        bounds=(0.0, 1.0),
        method="highs",
    )
    assert answer.success
    return -answer.fun


@given(gain=tables(8, GAINS), cost=tables(8, COSTS), budget=st.floats(0.0, 100.0))
def test_net_value_plus_gap_is_the_relaxed_optimum(gain, cost, budget):
    """Duality: the two meet, whatever the budget, when the price is right."""
    _, found, spend, price = allocate(gain, cost, budget)
    bound = found - spend + duality_gap(price, budget, spend)
    assert bound == pytest.approx(relaxed_optimum(gain, cost, budget), rel=1e-7, abs=1e-6)


def test_many_customers_leave_next_to_nothing_unspent():
    rng = np.random.default_rng(1)
    gain, cost = rng.gamma(2.0, 3.0, (2000, 3)), rng.uniform(0.1, 9.0, (2000, 3))
    _, found, spend, price = allocate(gain, cost, 2500.0)
    assert 2490.0 < spend <= 2500.0
    bound = relaxed_optimum(gain, cost, 2500.0)
    assert duality_gap(price, 2500.0, spend) / bound < 0.002
    assert found - spend == pytest.approx(bound, rel=0.002)


def test_the_price_does_not_depend_on_the_order_of_the_customers():
    rng = np.random.default_rng(2)
    gain, cost = rng.gamma(2.0, 3.0, (500, 3)), rng.uniform(0.1, 9.0, (500, 3))
    turned = rng.permutation(500)
    assert shadow_price(spend_steps(gain, cost), 300.0) == shadow_price(
        spend_steps(gain[turned], cost[turned]), 300.0
    )
