"""Draws by hash: shares as asked, halves apart, groups nested, places of rows without a say."""

import numpy as np
import pytest

from uplift.forest.sampling import (
    counted_keys,
    draw_features,
    draw_rows,
    shards_of,
    sparse_limit,
)

N = 40_000
KEYS = np.random.default_rng(0).integers(0, 2**63, N).astype(np.uint64)


@pytest.mark.parametrize(("group_share", "tree_share"), [(1.0, 0.5), (0.5, 1.0), (0.5, 0.4)])
def test_shares_are_as_asked(group_share: float, tree_share: float) -> None:
    share = group_share * tree_share
    for half in draw_rows(KEYS, 1, 3, 1, group_share, tree_share):
        # a binomial count; 4 standard errors
        assert abs(len(half) - N * share / 2) < 4 * np.sqrt(N * share / 2)
        assert (np.diff(half) > 0).all()


def test_the_halves_of_a_tree_share_no_row_and_trees_share_no_draw() -> None:
    first = draw_rows(KEYS, 1, 0, 0, 0.5, 1.0)
    second = draw_rows(KEYS, 1, 1, 0, 0.5, 1.0)
    assert not set(first[0]) & set(first[1])
    assert set(first[0]) | set(first[1]) == set(second[0]) | set(second[1])  # one little bag
    both = len(set(first[0]) & set(second[0]))
    assert abs(both - N / 8) < 4 * np.sqrt(N / 8)


def test_groups_are_drawn_apart() -> None:
    rows = [np.concatenate(draw_rows(KEYS, 1, tree, tree, 0.5, 1.0)) for tree in range(2)]
    both = len(set(rows[0]) & set(rows[1]))
    assert abs(both - N / 4) < 4 * np.sqrt(N / 4)


def test_a_unit_is_drawn_wherever_its_row_lies() -> None:
    order = np.random.default_rng(1).permutation(N)
    for here, there in zip(
        draw_rows(KEYS, 1, 0, 0, 0.5, 0.5), draw_rows(KEYS[order], 1, 0, 0, 0.5, 0.5), strict=True
    ):
        assert set(KEYS[here]) == set(KEYS[order][there])


def test_keys_that_count_are_as_good_as_random_ones() -> None:
    counted = counted_keys(N)
    halves = draw_rows(counted, 1, 0, 0, 0.5, 1.0)
    assert abs(len(halves[0]) - N / 4) < 4 * np.sqrt(N / 4)
    assert abs(np.mean(halves[0]) - N / 2) < 4 * N / np.sqrt(12 * N / 4)


def test_every_node_draws_its_features_and_all_come_up_alike() -> None:
    paths = np.arange(1, 20_001, dtype=np.uint64)
    drawn = draw_features(5, 2, 1, 0, paths)
    assert (drawn.sum(axis=1) == 2).all()
    # 5 counts of a share of 2/5; 4 standard errors
    assert (np.abs(drawn.mean(axis=0) - 0.4) < 4 * np.sqrt(0.24 / 20_000)).all()
    pairs = np.unique(drawn, axis=0)
    assert len(pairs) == 10
    assert draw_features(5, 5, 1, 0, paths[:3]).all()


def test_a_sparse_draw_is_about_as_large_as_asked() -> None:
    drawn = (counted_keys(N) < np.uint64(sparse_limit(0.1))).sum()
    assert abs(drawn - N / 10) < 4 * np.sqrt(N / 10)
    assert sparse_limit(1.0) == 2**64 - 1


def test_a_tree_grows_in_its_shard_and_estimates_everywhere_else() -> None:
    shards = shards_of(KEYS, 1, 4)
    assert (np.abs(np.bincount(shards) - N / 4) < 4 * np.sqrt(N / 4)).all()
    whole = np.sort(np.concatenate(draw_rows(KEYS, 1, 6, 3, 0.5, 1.0)))
    growing, estimating = draw_rows(KEYS, 1, 6, 3, 0.5, 1.0, 4)
    assert set(shards[growing]) == {6 % 4}
    assert set(shards[estimating]) == {0, 1, 2, 3}
    assert np.array_equal(np.sort(np.concatenate([growing, estimating])), whole)
    assert abs(len(growing) - N / 16) < 4 * np.sqrt(N / 16)


def test_without_honesty_a_tree_s_shard_grows_whole_and_everybody_estimates() -> None:
    honest = draw_rows(KEYS, 1, 6, 3, 0.5, 1.0, 4)
    growing, estimating = draw_rows(KEYS, 1, 6, 3, 0.5, 1.0, 4, False)
    assert np.array_equal(estimating, np.sort(np.concatenate(honest)))
    assert np.array_equal(growing, estimating[shards_of(KEYS, 1, 4)[estimating] == 2])
