"""The same forest from any number of threads, rows in any order and sums over any partitions."""

from dataclasses import replace

import numba
import numpy as np
import pytest

from tests.forest.builders import a_log, small_forest, small_settings
from uplift.forest import ForestRows, grow_forest
from uplift.forest import grow as growing
from uplift.forest.grow import grow_tree, sum_nodes
from uplift.forest.log import CodedLog
from uplift.forest.plan import plan_log
from uplift.forest.sampling import draw_rows
from uplift.forest.settings import CRITERIA


def reordered(rows: ForestRows, order: np.ndarray) -> ForestRows:
    assert rows.keys is not None
    return ForestRows(
        rows.features[order],
        rows.arm[order],
        rows.outcome[order],
        rows.propensity[order],
        None if rows.weight is None else rows.weight[order],
        rows.keys[order],
    )


def coded(rows: ForestRows, n_arms: int = 3) -> CodedLog:
    plan = plan_log(rows, n_arms, categorical=(), max_bins=254, needs_squares=False)
    return plan.code(rows)


def test_any_number_of_threads_grows_the_same_forest() -> None:
    rows, digests = a_log(), set()
    before = numba.get_num_threads()
    for n_threads in (1, 2, 3):
        numba.set_num_threads(min(n_threads, before))
        forest = grow_forest(rows, 3, settings=small_settings(), seed=5, n_threads=n_threads)
        digests.add(forest.ensemble.digest())
    numba.set_num_threads(before)
    assert len(digests) == 1


@pytest.mark.parametrize("criterion", list(CRITERIA))
@pytest.mark.parametrize("kind", ["binary", "continuous", "weighted", "unequal propensities"])
def test_rows_in_any_order_grow_the_same_forest(criterion: str, kind: str) -> None:
    rows = a_log(3, n_rows=600)
    noise = np.random.default_rng(7).random(600)
    if kind != "binary":
        rows = replace(rows, outcome=rows.outcome * noise)
    if kind == "weighted":
        rows = replace(rows, weight=0.5 + noise)
    if kind == "unequal propensities":
        rows = replace(rows, propensity=0.2 + 0.3 * noise)
    order = np.random.default_rng(9).permutation(600)
    digests = {
        small_forest(log, criterion=criterion).ensemble.digest()
        for log in (rows, reordered(rows, order))
    }
    assert len(digests) == 1


def test_another_seed_is_another_forest() -> None:
    rows = a_log()
    assert small_forest(rows, 5).ensemble.digest() != small_forest(rows, 6).ensemble.digest()


def test_a_forest_searched_node_by_node_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = a_log()
    whole = small_forest(rows, max_depth=6).ensemble.digest()
    monkeypatch.setattr(growing, "_BUNCH_BYTES", 1)
    assert small_forest(rows, max_depth=6).ensemble.digest() == whole


def test_sums_over_partitions_add_up_to_the_sums_over_the_log() -> None:
    log, settings = coded(a_log()), small_settings()
    grown = grow_tree(log, settings, seed=1, number=0)
    _, estimating = draw_rows(log.keys, 1, 0, 0, 0.5, 1.0)
    parts = [sum_nodes(grown.tree, log, part) for part in np.array_split(estimating, 3)]
    assert np.array_equal(sum(parts), grown.sums)


def test_honest_leaves_do_not_listen_to_the_growing_half() -> None:
    rows = a_log()
    log, settings = coded(rows), small_settings()
    grown = grow_tree(log, settings, seed=1, number=0)
    growing_rows, estimating = draw_rows(log.keys, 1, 0, 0, 0.5, 1.0)
    assert not set(growing_rows) & set(estimating)

    outcome = rows.outcome.copy()
    outcome[growing_rows] = np.random.default_rng(2).permutation(outcome[growing_rows])
    changed = coded(replace(rows, outcome=outcome))
    assert np.array_equal(sum_nodes(grown.tree, changed, estimating), grown.sums)
    other = grow_tree(changed, settings, seed=1, number=0)
    assert other.tree.feature.tolist() != grown.tree.feature.tolist()


def test_splits_do_not_listen_to_the_estimating_half() -> None:
    rows = a_log()
    log, settings = coded(rows), small_settings()
    grown = grow_tree(log, settings, seed=1, number=0)
    _, estimating = draw_rows(log.keys, 1, 0, 0, 0.5, 1.0)
    outcome = rows.outcome.copy()
    outcome[estimating] = 1.0 - outcome[estimating]
    other = grow_tree(coded(replace(rows, outcome=outcome)), settings, seed=1, number=0)
    for name in ("feature", "split", "gain"):
        assert np.array_equal(getattr(other.tree, name), getattr(grown.tree, name))
    assert not np.array_equal(other.sums, grown.sums)


def test_children_keep_to_the_least_sizes() -> None:
    rows = a_log()
    settings = small_settings(
        is_honest=False, min_leaf_rows=60, min_arm_rows=25, min_child_share=0.2, max_depth=6
    )
    forest = grow_forest(rows, 3, settings=settings, seed=1)
    n_splits = 0
    for grown in forest.trees:
        parents = np.flatnonzero(grown.tree.feature >= 0)
        n_splits += len(parents)
        for children in (grown.tree.low[parents], grown.tree.high[parents]):
            n = grown.n_rows[children]
            assert (n.sum(axis=1) >= 60).all()
            assert (n >= 25).all()
            assert (n.sum(axis=1) >= 0.2 * grown.n_rows[parents].sum(axis=1)).all()
    assert n_splits > 8


def test_nodes_split_on_drawn_features_only() -> None:
    rows = a_log(n_features=6)
    per_tree = small_forest(rows, features_per_tree=1)
    for grown in per_tree.trees:
        assert len(set(grown.tree.feature[grown.tree.feature >= 0])) <= 1
    assert len({grown.tree.feature[0] for grown in per_tree.trees}) > 1
    per_node = small_forest(rows, features_per_node=1, n_trees=20)
    assert len({grown.tree.feature[0] for grown in per_node.trees}) == 6
