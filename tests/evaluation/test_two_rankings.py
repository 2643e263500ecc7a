"""The same budget, two rankings, one difference."""

import numpy as np
import pytest

from tests.evaluation.builders import from_counts
from uplift.errors import ContractError
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums
from uplift.evaluation.two_rankings import added_outcomes, compare_rankings, share_kept


def test_outcomes_are_counted_per_thousand_customers_reached_or_not() -> None:
    # best half: 30 % against 10 %; the others: 20 % against 20 %
    sums = from_counts((100, 30, 100, 10), (100, 20, 100, 20))
    assert added_outcomes(sums, 1, 0.5) == pytest.approx([100.0])
    assert share_kept(sums, 1, 0.5) == pytest.approx([1.0])
    assert share_kept(sums, 1, 0.25) == pytest.approx([0.5])


def test_who_leaves_out_the_harmed_keeps_more_than_all() -> None:
    sums = from_counts((100, 30, 100, 10), (100, 10, 100, 20))
    assert share_kept(sums, 1, 0.5) == pytest.approx([2.0])


def test_a_treatment_that_adds_nothing_leaves_no_share_to_keep() -> None:
    assert np.isnan(share_kept(from_counts((10, 5, 10, 5)), 1, 0.5)).all()


def rankings(seed: int = 1) -> tuple[RankedSums, RankedSums]:
    """Whoever buys anyway is not moved."""
    rng = np.random.default_rng(0)
    loyal, arm = rng.random(6000) < 0.5, rng.integers(0, 2, 6000)
    outcome = (rng.random(6000) < np.where(loyal, 0.5, 0.1 + 0.15 * arm)).astype(float)
    by_effect = ranked_sums(~loyal, arm, outcome, n_arms=2, replicates=100, seed=seed)
    return by_effect, ranked_sums(loyal, arm, outcome, n_arms=2, replicates=100, seed=seed)


def test_the_response_model_loses_and_the_interval_says_so() -> None:
    found = compare_rankings(*rankings(), 1, share=0.4, level=0.95)
    # 40 % of customers, each moved by .15, and none of those who buy anyway
    assert found.by_uplift.estimate == pytest.approx(60, abs=3 * found.by_uplift.standard_error)
    assert found.by_response.low < 0 < found.by_response.high
    assert found.difference.low > 0
    assert found.in_random_order.estimate == pytest.approx(
        400 * 0.075, abs=3 * found.in_random_order.standard_error
    )


def test_a_ranking_against_itself_is_no_difference() -> None:
    ours, _ = rankings()
    found = compare_rankings(ours, ours, 1, share=0.3, level=0.95)
    assert (found.difference.low, found.difference.high) == (0.0, 0.0)


def test_replicates_must_be_paired() -> None:
    ours, _ = rankings()
    with pytest.raises(ContractError, match="100 and 0 replicates cannot be paired"):
        compare_rankings(ours, from_counts((10, 5, 10, 5)), 1, share=0.3, level=0.95)
