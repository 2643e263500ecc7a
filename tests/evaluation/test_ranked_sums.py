"""Rows become blocks of equal priority; equal rows never part."""

import numpy as np
import pytest

from uplift.errors import ContractError, ExperimentError
from uplift.evaluation.ranked_sums import (
    SAMPLE_ROWS,
    RankedSums,
    cut_points,
    is_sampled,
    ranked_sums,
)
from uplift.hashing import hash_keys


def test_equal_priorities_are_one_block_and_the_best_block_comes_first() -> None:
    sums = ranked_sums([1.0, 3.0, 1.0, 3.0], [0, 1, 2, 0], [5.0, 6.0, 7.0, 8.0], n_arms=3)
    assert sums.n[0].tolist() == [[1, 1, 0], [1, 0, 1]]
    assert sums.y[0].tolist() == [[8, 6, 0], [5, 0, 7]]
    assert sums.rows.tolist() == [[1, 1, 0], [1, 0, 1]]
    assert sums.priority.tolist() == [3.0, 1.0]
    assert (sums.n_replicates, sums.n_arms, sums.outcome_is_binary) == (0, 3, False)


def test_zero_and_negative_zero_are_equal_priorities() -> None:
    assert len(ranked_sums([0.0, -0.0], [0, 1], [0.0, 1.0], n_arms=2).rows) == 1


def test_weights_count_in_sums_but_not_in_rows() -> None:
    sums = ranked_sums([1, 1, 1], [0, 1, 1], [1.0, 0.0, 1.0], n_arms=2, weight=[2.0, 4.0, 4.0])
    assert sums.n[0].tolist() == [[2, 8]]
    assert sums.y[0].tolist() == [[2, 4]]
    assert sums.rows.tolist() == [[1, 2]]
    assert sums.outcome_is_binary


def test_a_replicate_weighs_all_rows_of_a_unit_alike() -> None:
    keys = hash_keys(["ann", "ann", "bob"])
    sums = ranked_sums([2, 1, 3], [1, 1, 0], [0, 1, 0], n_arms=2, keys=keys, replicates=50)
    assert (sums.n[:, 1, 1] == sums.n[:, 2, 1]).all()
    assert (sums.n[1:, 1, 1] != 1).any()


def test_quantile_blocks_are_few_nearly_even_and_never_part_equals() -> None:
    priority = np.r_[np.arange(90), np.full(60, 200.0)]
    sums = ranked_sums(priority, np.arange(150) % 2, np.zeros(150), n_arms=2, max_blocks=10)
    sizes = sums.rows.sum(axis=1)
    assert len(sizes) <= 10
    assert sizes[0] == 60
    assert sizes[1:].max() <= 16
    assert sizes.sum() == 150


def test_few_distinct_priorities_are_all_kept_apart() -> None:
    sums = ranked_sums([5, 5, 4, 3], [0, 1, 0, 1], [0, 0, 0, 1], n_arms=2, max_blocks=3)
    assert sums.rows.sum(axis=1).tolist() == [2, 1, 1]


def test_a_tie_at_the_bottom_leaves_no_empty_block() -> None:
    priority = np.r_[np.zeros(60), np.arange(1, 91)]
    sums = ranked_sums(priority, np.arange(150) % 2, np.zeros(150), n_arms=2, max_blocks=10)
    assert sums.rows.sum(axis=1).tolist() == [15, 15, 15, 15, 15, 15, 60]


def test_there_are_never_more_blocks_than_asked_for() -> None:
    cuts = cut_points(np.array([1.0, 2.0]), 2, lambda: np.array([1.0, 2.0, 9.0]))
    assert cuts.tolist() == [2.0]


def test_a_rare_priority_that_the_sample_missed_still_gets_its_block() -> None:
    cuts = cut_points(np.array([1.0, 2.0]), 5, lambda: np.array([1.0, 2.0, 9.0]))
    assert cuts.tolist() == [2.0, 9.0]


def test_a_constant_priority_is_one_block() -> None:
    assert len(ranked_sums([1, 1], [0, 1], [0, 1], n_arms=2, max_blocks=4).rows) == 1


def test_a_large_log_is_cut_by_a_sample_that_each_row_joins_on_its_own() -> None:
    rng = np.random.default_rng(5)
    n = 4 * SAMPLE_ROWS
    priority, keys = rng.normal(size=n), rng.integers(0, 2**63, n).astype(np.uint64)
    joined = is_sampled(priority, keys, n)
    assert abs(joined.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / n)
    half = slice(n // 2, n)
    assert (is_sampled(priority[half], keys[half], n) == joined[half]).all()


def test_rows_of_one_unit_do_not_join_the_sample_together() -> None:
    one_unit = np.zeros(1000, dtype=np.uint64)
    joined = is_sampled(np.arange(1000.0), one_unit, 2 * SAMPLE_ROWS)
    assert 400 < joined.sum() < 600


def test_negative_zero_joins_the_sample_as_zero_does() -> None:
    keys, zeros = np.arange(50, dtype=np.uint64), np.zeros(50)
    joined = is_sampled(zeros, keys, 2 * SAMPLE_ROWS)
    assert (is_sampled(-zeros, keys, 2 * SAMPLE_ROWS) == joined).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"priority": [1, np.nan, 2, 3]}, ContractError, "priority nan in 1 of 4 rows"),
        ({"outcome": [1, 0, np.inf, 0]}, ContractError, "outcome inf in 1 of 4 rows"),
        ({"weight": [1, -2.0, 1, 1]}, ContractError, "weight -2.0 in 1 of 4 rows"),
        ({"arm": [0, 1, 2, 2]}, ContractError, "arm 2 in 2 of 4 rows.*campaign.treatments"),
        ({"arm": [1, 1, 1, 1]}, ExperimentError, "arm 0 has no rows.*test_share"),
        ({"outcome": [1, 0]}, ContractError, "different lengths.*'outcome': 2"),
    ],
)
def test_bad_rows_are_refused_with_culprit_and_extent(
    change: dict[str, list[float]], error: type[Exception], message: str
) -> None:
    good = {
        "priority": [1, 1, 2, 3],
        "arm": [0, 1, 0, 1],
        "outcome": [0, 1, 0, 1],
        "weight": [1, 1, 1, 1],
    }
    with pytest.raises(error, match=message):
        ranked_sums(**{**good, **change}, n_arms=2)


def test_an_empty_log_has_no_rows_in_any_arm() -> None:
    with pytest.raises(ExperimentError, match=r"rows per arm are \[0, 0\]"):
        ranked_sums([], [], [], n_arms=2)


def test_a_randomisation_unit_in_two_arms_is_refused() -> None:
    keys = hash_keys(["ann", "ann", "bob", "bob"])
    with pytest.raises(ExperimentError, match=r"several arms, as have 1 of 2 units.*cluster_id"):
        ranked_sums([1, 2, 3, 4], [0, 1, 0, 0], [0, 0, 0, 0], n_arms=2, keys=keys)


def test_negative_head_counts_are_refused() -> None:
    n = np.array([[[1.0, -1.0]]])
    with pytest.raises(ContractError, match="1 of 2 head counts are negative, the least is -1"):
        RankedSums(n, n, np.ones((1, 2), dtype=np.int64), np.zeros(1), outcome_is_binary=True)


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    n = np.ones((1, 2, 2))
    with pytest.raises(ContractError, match="do not belong together"):
        RankedSums(n, n, np.ones((1, 2), dtype=np.int64), np.zeros(2), outcome_is_binary=True)
