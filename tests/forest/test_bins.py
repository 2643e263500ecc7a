"""Bins: where the edges lie, what a code means, and that the compiled forest agrees."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ensemble.builders import STRANGER, strange_rows
from tests.forest.builders import small_settings
from uplift.ensemble.decisions import ZERO
from uplift.errors import ContractError
from uplift.forest import CausalForest, ForestRows, grow_forest
from uplift.forest.bins import (
    MISSING_LEVEL,
    MOST_BINS,
    Bins,
    Codes,
    Levels,
    Matrix,
    code_rows,
    fit_bins,
    quantile_edges,
)
from uplift.forest.histograms import leaves_of


def code(features: Matrix, bins: Bins) -> tuple[Codes, Levels]:
    with ThreadPoolExecutor(1) as workers:
        return code_rows(features, bins, workers)


def test_every_distinct_value_has_a_bin_while_there_are_enough() -> None:
    values = np.array([5.0, 1.0, 3.0, 3.0, np.nan])
    codes, _ = code(values[:, None], fit_bins(values[:, None]))
    assert codes[:, 0].tolist() == [2, 0, 1, 1, 3]


def test_many_values_fall_into_bins_of_equal_size() -> None:
    values = np.random.default_rng(1).permutation(254 * 40).astype(np.float64)
    codes, _ = code(values[:, None], fit_bins(values[:, None]))
    assert np.bincount(codes[:, 0]).tolist() == [40] * MOST_BINS


def test_a_value_that_half_the_rows_share_takes_one_bin() -> None:
    values = np.concatenate([np.zeros(500), np.arange(1.0, 501.0)])
    edges = quantile_edges(values, max_bins=10)
    assert edges.tolist() == [0.0, 100.0, 200.0, 300.0, 400.0]


@pytest.mark.parametrize("values", [[7.0] * 5, [math.nan] * 5, [-math.inf, -math.inf]])
def test_a_constant_feature_has_no_edge(values: list[float]) -> None:
    assert len(quantile_edges(np.array(values))) == 0


def test_infinities_are_numbers_like_others() -> None:
    values = np.array([-math.inf, 0.0, math.inf])
    assert quantile_edges(values).tolist() == [-math.inf, 0.0]


def test_what_the_compiled_forest_takes_for_zero_is_zero() -> None:
    bins = Bins((np.array([0.0]),), (0,))
    values = np.array([[ZERO], [-ZERO], [5e-324], [math.nextafter(ZERO, 1.0)]])
    assert code(values, bins)[0][:, 0].tolist() == [0, 0, 0, 1]


def test_a_category_is_its_whole_part_and_anything_else_is_missing() -> None:
    bins = Bins((np.empty(0),), (3,))
    values = np.array([[0.0], [2.9], [-0.5], [-1.0], [3.0], [math.nan], [math.inf], [2.0**40]])
    assert code(values, bins)[1][:, 0].tolist() == [0, 2, 0, *[MISSING_LEVEL] * 5]


def test_too_many_categories_are_an_error_that_names_the_feature() -> None:
    with pytest.raises(ContractError, match="feature 1 has categories up to 65000"):
        fit_bins(np.array([[0.0, 65_000.0]]), categorical=[1])


@pytest.mark.parametrize("edges", [[1.0, 1.0], [2.0, 1.0], [math.nan]])
def test_edges_that_do_not_ascend_are_an_error(edges: list[float]) -> None:
    with pytest.raises(ContractError, match="feature 0 are not ascending"):
        Bins((np.array(edges),), (0,))


def routed_by_codes(forest: CausalForest, features: Matrix) -> Matrix:
    """What every tree answers to the codes of each row, shape (n, trees x arms)."""
    bins = forest.bins
    codes, levels = code(features, bins)
    missing = np.diff(bins.first_bin) - 1
    place = np.full(bins.n_features, -1)
    place[bins.categorical] = np.arange(len(bins.categorical))
    rows = np.arange(len(features), dtype=np.int32)
    answers = []
    for grown in forest.trees:
        t = grown.tree
        walk = (t.feature, t.split, t.missing_low, t.low, t.high, missing, place, t.level_bin)
        leaves = leaves_of(codes, levels, rows, *walk)
        answers.append(grown.expected_outcome[leaves])
    return np.concatenate(answers, axis=1)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    max_bins=st.sampled_from([2, 3, 254]),
    is_categorical=st.booleans(),
)
def test_codes_and_values_lead_every_row_to_the_same_leaf(
    seed: int, max_bins: int, is_categorical: bool
) -> None:
    rng = np.random.default_rng(seed)
    features = strange_rows(rng, 200, 3)
    features[:, 2] = rng.choice([0.0, 1.0, 2.0, 5.0, 33.0, 40.0, 64.0, math.nan], 200)
    forest = grow_forest(
        ForestRows(features, np.arange(200) % 2, rng.random(200), np.full(200, 0.5)),
        2,
        settings=small_settings(n_trees=4, min_leaf_rows=4, min_arm_rows=1),
        seed=seed,
        categorical=[2] if is_categorical else [],
        max_bins=max_bins,
        n_threads=1,
    )
    met = [*STRANGER, *(e for edges in forest.bins.edges for e in edges), *range(70)]
    near = [math.nextafter(v, side) for v in met for side in (-math.inf, math.inf)]
    anything = rng.choice([*met, *near], size=(300, 3))
    expected = routed_by_codes(forest, anything)
    answers = forest.ensemble.single_trees.raw(anything) * len(forest.trees)
    np.testing.assert_allclose(answers, expected, rtol=1e-12)
    assert len(np.unique(expected)) > 2
