"""Categories: the order of their effects, folding, and 65,000 of them."""

import numpy as np
import pytest

from tests.forest.builders import small_settings
from uplift.forest import ForestRows, grow_forest
from uplift.forest.categories import order_levels
from uplift.forest.moments import columns, extent

MISSING = 6


def level_sums(level: list[int], arm: list[int], outcome: list[float], n_levels: int) -> tuple:
    values = np.array(outcome)
    layout = extent(values, None).layout(needs_squares=False)
    sums = np.zeros((n_levels + 1, 2, layout.width), dtype=np.int64)
    np.add.at(sums, (np.array(level), np.array(arm)), columns(values, None, layout))
    return sums, layout


def test_levels_stand_in_the_order_of_their_effects() -> None:
    # effects: level 0: 0, level 1: -1, level 3: 1; level 2 has no row, level 4 is missing
    level = [0, 0, 0, 0, 1, 1, 3, 3]
    arm = [0, 0, 1, 1, 0, 1, 0, 1]
    outcome = [0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]
    sums, layout = level_sums(level, arm, outcome, 4)
    assert order_levels(sums, layout, missing=MISSING)[:4].tolist() == [1, 0, MISSING, 2]


def test_a_level_seen_once_stays_near_the_middle() -> None:
    level = [0] * 40 + [1] * 40 + [2]
    arm = [0, 1] * 40 + [1]
    outcome = [0.0, 1.0] * 20 + [1.0, 0.0] * 20 + [1.0]
    sums, layout = level_sums(level, arm, outcome, 3)
    assert order_levels(sums, layout, missing=MISSING)[:3].tolist() == [2, 0, 1]


def test_more_levels_than_bins_share_them_with_about_equal_rows() -> None:
    level = np.repeat(np.arange(1000), 8)
    arm = np.arange(8000) % 2
    outcome = (np.random.default_rng(0).random(8000) < 0.5).astype(np.float64)
    sums, layout = level_sums(level.tolist(), arm.tolist(), outcome.tolist(), 1000)
    bins = order_levels(sums, layout, missing=254)[:1000]
    counts = np.bincount(bins)
    assert len(counts) == 254
    assert counts.min() >= 3
    assert counts.max() <= 4


def test_the_order_of_the_categories_is_learned_from_the_growing_half_alone() -> None:
    """Pure noise in 500 categories: were the order learned from all, leaves would find effects."""
    rng = np.random.default_rng(4)
    n_rows = 8000
    features = rng.integers(0, 500, (n_rows, 1)).astype(np.float64)
    arm = rng.integers(0, 2, n_rows)
    rows = ForestRows(features, arm, rng.normal(size=n_rows), np.full(n_rows, 0.5))
    gained = {
        honest: grow_forest(
            rows,
            2,
            settings=small_settings(n_trees=40, is_honest=honest, max_depth=3),
            seed=1,
            categorical=[0],
        ).cate(features)
        for honest in (True, False)
    }
    noise = rows.outcome - rows.outcome.mean()
    found = {
        honest: float(np.mean((2 * arm - 1) * noise * effect[:, 0]))
        for honest, effect in gained.items()
    }
    # A standard error is about 0.2 / sqrt(8000) = 0.002. Honest trees agree with their rows a bit,
    # as half of the rows of a tree fill its leaves.
    assert found[True] < 0.04 < 0.08 < found[False]


@pytest.mark.slow
def test_sixty_five_thousand_categories_are_split_and_answered() -> None:
    rng = np.random.default_rng(1)
    n_levels, n_rows = 65_000, 200_000
    features = np.column_stack([rng.integers(0, n_levels, n_rows), rng.normal(size=n_rows)])
    features[0, 0] = n_levels - 1
    features[1::50, 0] = np.nan
    arm = rng.integers(0, 2, n_rows)
    helps = features[:, 0] % 2 == 1
    outcome = (rng.random(n_rows) < 0.2 + 0.5 * arm * helps).astype(np.float64)
    forest = grow_forest(
        ForestRows(features, arm, outcome, np.full(n_rows, 0.5)),
        2,
        settings=small_settings(n_trees=10, min_leaf_rows=200, min_arm_rows=50),
        seed=1,
        categorical=[0],
    )
    assert forest.importance()[0] > 0.9
    effect = forest.cate(features[:2000])[:, 0]
    # a tree sees less than one row of a level; a standard error is about 0.04 / sqrt(1000)
    assert effect[helps[:2000]].mean() > effect[~helps[:2000]].mean() + 0.02
    unseen = forest.cate(np.array([[1e6, 0.0], [np.nan, 0.0]]))
    assert unseen[0] == unseen[1]
