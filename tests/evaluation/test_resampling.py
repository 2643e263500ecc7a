"""Weights are Poisson, belong to the unit, and their sums are the same bits in any order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from uplift.evaluation.resampling import (
    POISSON_STEPS,
    exact_grid,
    poisson_weights,
    replicate_sums,
    round_to,
    splitmix64,
)


def test_splitmix64_gives_the_published_stream_of_seed_1234567() -> None:
    gamma = np.uint64(0x9E3779B97F4A7C15)
    states = np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * gamma
    assert splitmix64(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_a_unit_has_the_same_weights_in_any_company() -> None:
    keys = np.array([7, 8, 7, 2**64 - 1], dtype=np.uint64)
    together = poisson_weights(keys, replicates=10, seed=1)
    assert (together[0] == together[2]).all()
    assert (poisson_weights(keys[3:], replicates=10, seed=1) == together[3:]).all()
    assert (poisson_weights(keys, replicates=3, seed=1) == together[:, :3]).all()


def test_another_seed_or_unit_draws_other_weights() -> None:
    keys = np.arange(50, dtype=np.uint64)
    weights = poisson_weights(keys, replicates=20, seed=1)
    assert (poisson_weights(keys, replicates=20, seed=2) != weights).any()
    assert len(np.unique(weights, axis=0)) == len(keys)


def test_keys_a_stride_of_the_generator_apart_do_not_share_a_stream() -> None:
    keys = np.array([5, (5 + 0x9E3779B97F4A7C15) % 2**64], dtype=np.uint64)
    first, second = poisson_weights(keys, replicates=80, seed=1)
    assert (first[4:] != second[:-4]).any()


def test_steps_are_those_of_the_poisson_distribution_and_their_weights_have_mean_one() -> None:
    assert POISSON_STEPS.tolist() == np.rint(poisson.cdf(np.arange(8), 1) * 2**16).tolist()
    weights = np.searchsorted(POISSON_STEPS, np.arange(2**16), side="right")
    assert (weights.mean(), weights.max()) == (1.0, 8)
    assert weights.var() == pytest.approx(1, abs=1e-4)


def test_weights_are_poisson_with_mean_one_even_for_consecutive_keys() -> None:
    n = 100_000
    weights = poisson_weights(np.arange(n, dtype=np.uint64), replicates=8, seed=3)
    for count in range(4):
        expected = poisson.pmf(count, 1)
        standard_error = np.sqrt(expected * (1 - expected) / weights.size)
        assert abs((weights == count).mean() - expected) < 4 * standard_error
    assert abs(weights.mean() - 1) < 4 / np.sqrt(weights.size)
    correlation = np.corrcoef(weights.T)[np.triu_indices(8, 1)]
    assert np.abs(correlation).max() < 4.5 / np.sqrt(n)
    neighbours = np.corrcoef(weights[:-1, 0], weights[1:, 0])[0, 1]
    assert abs(neighbours) < 4.5 / np.sqrt(n)


def test_sums_per_cell_and_replicate_equal_a_loop_over_rows() -> None:
    cells = np.array([2, 0, 2, 2, 0])
    values = np.array([[1.0, 5.0], [1.0, 7.0], [2.0, 0.0], [1.0, 1.0], [3.0, 2.0]])
    keys = np.array([4, 5, 6, 4, 7], dtype=np.uint64)
    weights = poisson_weights(keys, replicates=6, seed=9)
    expected = np.zeros((7, 3, 2))
    for row, cell in enumerate(cells):
        expected[0, cell] += values[row]
        for replicate in range(6):
            expected[replicate + 1, cell] += weights[row, replicate] * values[row]
    sums = replicate_sums(cells, values, keys, n_cells=3, replicates=6, seed=9)
    assert (sums == expected).all()


def test_rows_in_any_order_and_in_any_portions_give_the_same_bits() -> None:
    rng = np.random.default_rng(1)
    n = 5000
    values = rng.lognormal(3, 2, (n, 1))
    rounded = round_to(values, exact_grid(float(values.max()), n))
    cells, keys = rng.integers(0, 3, n), rng.integers(0, 900, n).astype(np.uint64)

    def summed(rows: np.ndarray) -> np.ndarray:
        return replicate_sums(
            cells[rows], rounded[rows], keys[rows], n_cells=3, replicates=5, seed=2
        )

    whole = summed(np.arange(n))
    assert (summed(rng.permutation(n)) == whole).all()
    portions = np.array_split(rng.permutation(n), 7)
    assert (sum(summed(rows) for rows in portions) == whole).all()
    assert np.allclose(whole[0, :, 0], np.bincount(cells, weights=values[:, 0]), rtol=1e-9)


@given(
    st.floats(1e-6, 1e6), st.integers(1, 10**9), st.lists(st.floats(-1, 1), min_size=1, max_size=5)
)
def test_rounding_moves_a_value_by_less_than_promised(
    largest: float, n_rows: int, shares: list[float]
) -> None:
    values = np.array(shares) * largest
    moved = np.abs(round_to(values, exact_grid(largest, n_rows)) - values)
    assert moved.max() <= largest * n_rows * 2.0**-48


@given(st.floats(1e-6, 1e6), st.integers(1, 10**9))
def test_the_largest_sum_that_weights_can_make_is_exact(largest: float, n_rows: int) -> None:
    steps = largest / exact_grid(largest, n_rows) * n_rows * len(POISSON_STEPS)
    assert steps <= 2**53


@pytest.mark.parametrize("n_rows", [3, 10**6, 10**9])
def test_counts_and_whole_euros_survive_rounding(n_rows: int) -> None:
    values = np.array([0.0, 1.0, 997.0])
    assert round_to(values, exact_grid(997.0, n_rows)).tolist() == values.tolist()


def test_a_column_of_zeros_has_a_grid_too() -> None:
    assert round_to(np.zeros(2), exact_grid(0.0, 2)).tolist() == [0.0, 0.0]
