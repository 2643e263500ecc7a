import time

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, eye, kron, vstack

from tests.benchmarks.conftest import Bench
from uplift.policy import choose_arm, duality_gap, shadow_price, spend_steps

N, N_PEER, K = 1_000_000, 20_000, 3
EURO_EACH = 0.8  # of budget; about a third of what everybody's best coupon would cost


def customers(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    conversion = rng.beta(1.0, 8.0, (n, K + 1))
    cost = 0.1 + np.array([2.0, 5.0, 10.0]) * conversion[:, 1:]
    return 30.0 * (conversion[:, 1:] - conversion[:, :1]), cost


def allocate(gain: np.ndarray, cost: np.ndarray) -> tuple[float, float]:
    """Net value, and the bound on what any allocation could reach."""
    budget = EURO_EACH * len(gain)
    price = shadow_price(spend_steps(gain, cost), budget)
    arm = choose_arm(gain, cost, shadow_price=price)
    row, treated = np.flatnonzero(arm), arm[arm > 0] - 1
    spend = cost[row, treated].sum()
    assert spend <= budget
    net = gain[row, treated].sum() - spend
    return net, net + duality_gap(price, budget, spend)


def solve(gain: np.ndarray, cost: np.ndarray) -> float:
    """The relaxed optimum by HiGHS."""
    n = len(gain)
    one_arm_each = kron(eye(n), csr_matrix(np.ones((1, K))))
    answer = linprog(
        -(gain - cost).ravel(),
        A_ub=vstack([csr_matrix(cost.reshape(1, -1)), one_arm_each], format="csr"),
        b_ub=np.r_[EURO_EACH * n, np.ones(n)],
        bounds=(0.0, 1.0),
        method="highs",
    )
    return float(-answer.fun)


def test_a_million_customers_and_three_coupons_under_one_budget(bench: Bench) -> None:
    gain, cost = customers(N)
    few = slice(N_PEER)
    start = time.perf_counter()
    optimum = solve(gain[few], cost[few])
    peer = (time.perf_counter() - start) * N / N_PEER
    net, bound = allocate(gain[few], cost[few])
    assert bound == pytest.approx(optimum, rel=1e-6)
    assert net == pytest.approx(optimum, rel=1e-3)
    slopes = (gain / cost).ravel()
    bench.row(
        f"budget: arms of {N:,} customers x {K} coupons",
        ours=bench.best(lambda: allocate(gain, cost), repeats=3),
        unit="s",
        peer=(f"scipy HiGHS, measured at {N_PEER:,} and scaled", peer),
        floor=("argsort of the slopes", bench.best(lambda: np.argsort(slopes), repeats=3)),
        target=20,
    )
