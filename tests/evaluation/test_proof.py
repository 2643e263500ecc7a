"""One p-value from several rankings: at its level under the null, strong where there is more."""

import math

import numpy as np
import pytest

from uplift.errors import ContractError
from uplift.evaluation.proof import RankingTest, combine, ranking_test
from uplift.evaluation.ranked_sums import ranked_sums


def rank_test(priority: np.ndarray, arm: np.ndarray, outcome: np.ndarray, seed: int) -> RankingTest:
    sums = ranked_sums(priority, arm, outcome, n_arms=2, replicates=100, seed=seed, max_blocks=100)
    return ranking_test(sums, 1)


def test_a_ranking_that_knows_is_found_its_reverse_is_as_far_on_the_other_side() -> None:
    rng = np.random.default_rng(0)
    x, arm = rng.uniform(-1, 1, 3000), rng.integers(0, 2, 3000)
    outcome = (rng.random(3000) < 0.4 + 0.3 * x * arm).astype(float)
    z = rank_test(x, arm, outcome, 1).z
    assert z > 4
    # AUTOC looks at the other end of the ranking, so not to the digit
    assert rank_test(-x, arm, outcome, 1).z == pytest.approx(-z, abs=1.5)


@pytest.mark.slow
def test_where_nothing_is_to_be_found_z_is_standard_normal() -> None:
    rng = np.random.default_rng(3)
    n_logs, found = 300, []
    for seed in range(n_logs):
        arm = rng.integers(0, 2, 800)
        # an average effect, and customers that differ, but no effect that differs
        x = rng.normal(size=800)
        outcome = (rng.random(800) < 0.3 + 0.1 * (x > 0) + 0.1 * arm).astype(float)
        found.append(rank_test(x + rng.normal(size=800), arm, outcome, seed).z)
    z = np.array(found)
    assert abs(z.mean()) < 3 / math.sqrt(n_logs)
    assert abs(z.std() - 1.0) < 3 / math.sqrt(2 * n_logs)
    assert (z > 1.96).mean() <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / n_logs)


def test_tests_weigh_by_the_root_of_their_rows() -> None:
    found = combine([RankingTest(1.0, 100), RankingTest(2.0, 400)])
    assert found.z == pytest.approx((10 * 1.0 + 20 * 2.0) / math.sqrt(500))
    assert found.p_value == pytest.approx(0.5 * math.erfc(found.z / math.sqrt(2)))


def test_a_test_that_cannot_say_counts_as_nothing_found() -> None:
    one = combine([RankingTest(2.0, 100)])
    assert combine([RankingTest(2.0, 100), RankingTest(math.nan, 100)]).z == pytest.approx(
        one.z / math.sqrt(2)
    )
    assert combine([]).p_value == 1.0


def test_a_constant_ranking_cannot_say() -> None:
    arm = np.arange(100) % 2
    assert math.isnan(rank_test(np.zeros(100), arm, (np.arange(100) % 3 == 0).astype(float), 0).z)


def test_a_test_without_replicates_cannot_say() -> None:
    sums = ranked_sums([2, 1, 2, 1], [0, 0, 1, 1], [0, 1, 1, 0], n_arms=2)
    assert math.isnan(ranking_test(sums, 1).z)


def test_a_test_of_no_rows_is_refused() -> None:
    with pytest.raises(ContractError, match="0 rows"):
        combine([RankingTest(1.0, 0)])


def test_for_json_not_a_number_is_null() -> None:
    assert RankingTest(math.nan, 3).to_document() == {"z": None, "rows": 3}
