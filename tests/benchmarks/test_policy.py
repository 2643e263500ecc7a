import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, eye, kron, vstack

from tests.benchmarks.conftest import Bench
from uplift.arms import Arms
from uplift.policy import Policy, ValueRule, choose_arm, duality_gap, shadow_price, spend_steps
from uplift.policy.contenders import WEIGHED, Contenders
from uplift.policy.lagrange import solve
from uplift.policy.limits import budget_limit, in_memory
from uplift.spark.allocation import decided_customers, price_budget

N, N_PEER, K = 1_000_000, 20_000, 3
N_SPARK = int(os.environ.get("UPLIFT_BENCH_CUSTOMERS", "300000"))
COUPONS = tuple(range(1, 6))
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


def solve_lp(gain: np.ndarray, cost: np.ndarray) -> float:
    """The relaxed optimum by HiGHS."""
    n = len(gain)
    one_arm_each = kron(eye(n), csr_matrix(np.ones((1, gain.shape[1]))))
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
    optimum = solve_lp(gain[few], cost[few])
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


def test_a_million_customers_priced_to_the_last_tie(bench: Bench) -> None:
    """As the policy is priced: shadow price, ties, duality gap, then everybody's arm."""
    gain, cost = customers(N)
    rng = np.random.default_rng(2)
    who = Contenders(
        gain,
        cost,
        fixed_arm=np.full(N, WEIGHED, dtype=np.int32),
        tie=rng.integers(0, 1 << 32, N) / (1 << 32),
        group=np.array([None] * N, dtype=np.object_),
        counts=np.ones(N, dtype=bool),
    )
    limits = (budget_limit(EURO_EACH * N),)
    few = slice(N_PEER)
    start = time.perf_counter()
    solve_by_highs = solve_lp(gain[few], cost[few])
    peer = (time.perf_counter() - start) * N / N_PEER
    assert solve_by_highs > 0.0
    bench.row(
        f"budget with ties and gap: {N:,} customers x {K} coupons",
        ours=bench.best(lambda: who.arms_at(solve(limits, in_memory(who), K).prices), repeats=2),
        unit="s",
        peer=(f"scipy HiGHS, measured at {N_PEER:,} and scaled", peer),
        floor=("argsort of the slopes", bench.best(lambda: np.argsort((gain / cost).ravel()))),
        target=20,
    )


@pytest.mark.spark
def test_customers_and_five_coupons_priced_and_allocated_by_spark(
    bench: Bench, spark: SparkSession, tmp_path: Path
) -> None:
    """Scores from Parquet, decisions to Parquet; the size is UPLIFT_BENCH_CUSTOMERS."""
    rng = np.random.default_rng(4)
    part = min(N_SPARK, 500_000)
    for start in range(0, N_SPARK, part):
        n = min(part, N_SPARK - start)
        base = rng.beta(1.0, 8.0, n)
        lift = np.cumsum(np.c_[np.zeros(n), rng.normal(0.01, 0.04, (n, len(COUPONS)))], axis=1)
        conversion = np.clip(base[:, None] + lift, 0.001, 0.999)
        ids = pa.array([f"c{start + number:09d}" for number in range(n)])
        lists = pa.FixedSizeListArray.from_arrays(conversion.ravel(), len(COUPONS) + 1)
        table = pa.table(
            {
                "unit_id": ids,
                "contactable": pa.array(np.ones(n, dtype=bool)),
                "expected_conversion": lists.cast(pa.list_(pa.float64())),
            }
        )
        pq.write_table(table, tmp_path / f"scores-{start:09d}.parquet", row_group_size=100_000)
    rule = Policy(
        campaign_id="bench",
        arms=Arms(("none", *(f"coupon_{k}" for k in COUPONS))),
        model_version="0" * 12,
        as_of="2026-06-01T00:00:00Z",
        value=ValueRule("conversion", 30.0, 0.0, (0.1,) * 5, tuple(2.0 * k for k in COUPONS)),
        shadow_price=0.0,
        budget_eur=0.3 * N_SPARK,
        holdout_share=0.05,
        exploration_share=0.02,
        salt="bench",
        sure_thing_conversion=0.1,
        harm_tolerance=0.005,
    )
    scores = spark.read.parquet(str(tmp_path))

    def night() -> None:
        priced = price_budget(scores, rule)
        decided = decided_customers(scores, priced.policy)
        decided.write.mode("overwrite").parquet(str(tmp_path.parent / "decisions"))

    start_time = time.perf_counter()
    night()
    ours = time.perf_counter() - start_time
    start_time = time.perf_counter()
    scores.write.mode("overwrite").parquet(str(tmp_path.parent / "copy"))
    copied = time.perf_counter() - start_time
    few = 20_000
    sample = scores.limit(few).toArrow()["expected_conversion"].to_pylist()
    chance = np.array(sample)
    gain = 30.0 * (chance[:, 1:] - chance[:, :1])
    cost = 0.1 + 2.0 * np.array(COUPONS) * chance[:, 1:]
    start_time = time.perf_counter()
    solve_lp(gain, cost)
    peer = (time.perf_counter() - start_time) * N_SPARK / few
    bench.row(
        f"price and allocate {N_SPARK:,} customers x {len(COUPONS)} coupons, `local[2]`",
        ours=ours,
        unit="s",
        peer=(f"scipy HiGHS, measured at {few:,} and scaled", peer),
        floor=("Spark copies the scores", copied),
    )
