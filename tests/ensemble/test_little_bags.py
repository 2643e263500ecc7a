"""Standard errors of compiled trees: by hand, from known variances, alone and after a walk."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.ensemble.builders import strange_rows
from uplift.ensemble import FlatEnsemble
from uplift.ensemble.flat import ARRAYS
from uplift.ensemble.little_bags import effect_standard_errors, little_bags_variance
from uplift.errors import ContractError

N_TREES, N_ARMS = 12, 3


def a_forest(seed: int = 0, trees_per_group: int = 3) -> FlatEnsemble:
    """Twelve stumps on two features, their leaves one number per arm."""
    rng = np.random.default_rng(seed)
    trees = np.arange(N_TREES)
    arrays = {name: np.empty(0) for name in ARRAYS} | {
        "roots": trees,
        "first_output": np.zeros(N_TREES),
        "feature": trees % 2,
        "threshold": rng.normal(size=N_TREES),
        "decision": np.zeros(N_TREES),
        "left": ~(2 * trees),
        "right": ~(2 * trees + 1),
        "set_start": np.zeros(1),
        "leaf_values": rng.normal(size=(2 * N_TREES, N_ARMS)) / N_TREES,
    }
    return FlatEnsemble.of(arrays, n_features=2, n_outputs=N_ARMS, trees_per_group=trees_per_group)


def test_errors_are_those_of_the_trees_walked_one_by_one() -> None:
    forest = a_forest()
    rows = np.random.default_rng(1).normal(size=(40, 2))
    effects = np.empty((40, N_TREES, N_ARMS - 1))
    for tree in range(N_TREES):
        below = rows[:, forest.feature[tree]] <= forest.threshold[tree]
        leaf = forest.leaf_values[np.where(below, 2 * tree, 2 * tree + 1)] * N_TREES
        effects[:, tree] = leaf[:, 1:] - leaf[:, :1]
    expected = np.sqrt(little_bags_variance(effects.reshape(40, 4, 3, 2)))
    found = effect_standard_errors(forest, rows)
    assert found is not None
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert (found > 0.0).all()


def test_a_row_alone_has_the_error_it_has_among_others() -> None:
    forest = a_forest()
    rows = strange_rows(np.random.default_rng(2), 30, 2)
    together = effect_standard_errors(forest, rows)
    assert together is not None
    for number in range(30):
        alone = effect_standard_errors(forest, rows[[number]])
        assert alone is not None
        assert alone.tolist() == together[[number]].tolist()


@pytest.mark.parametrize("trees_per_group", [1, N_TREES])
def test_trees_that_stand_alone_or_all_together_tell_nothing(trees_per_group: int) -> None:
    assert (
        effect_standard_errors(a_forest(trees_per_group=trees_per_group), np.ones((2, 2))) is None
    )


def test_groups_survive_the_file_and_belong_to_the_digest(tmp_path: Path) -> None:
    forest = a_forest()
    forest.save(tmp_path / "e.npz")
    loaded = FlatEnsemble.load(tmp_path / "e.npz")
    assert loaded.trees_per_group == 3
    assert loaded.digest() == forest.digest() != a_forest(trees_per_group=4).digest()


def test_a_file_without_groups_is_one_of_trees_that_stand_alone(tmp_path: Path) -> None:
    a_forest(trees_per_group=1).save(tmp_path / "e.npz")
    with np.load(tmp_path / "e.npz") as arrays:
        assert "trees_per_group" not in arrays
    assert FlatEnsemble.load(tmp_path / "e.npz").trees_per_group == 1


@pytest.mark.parametrize("trees_per_group", [0, -3, 5])
def test_groups_must_be_whole(trees_per_group: int) -> None:
    with pytest.raises(ContractError, match=f"groups of {trees_per_group}"):
        a_forest(trees_per_group=trees_per_group)


def test_a_sum_of_logits_has_no_groups() -> None:
    with pytest.raises(ContractError, match="link 'logistic' cannot stand in groups"):
        replace(a_forest(), link="logistic")


def test_single_trees_add_up_to_the_forest() -> None:
    forest = a_forest()
    rows = strange_rows(np.random.default_rng(3), 50, 2)
    answers = forest.single_trees.raw(rows).reshape(-1, N_TREES, N_ARMS)
    np.testing.assert_allclose(answers.sum(axis=1), forest.raw(rows), rtol=0, atol=1e-12)


def test_groups_that_differ_only_by_their_own_trees_leave_little_variance() -> None:
    """Trees of pure own noise: all of the variance between groups is what is taken off."""
    rng = np.random.default_rng(1)
    effects = rng.normal(size=(500, 400, 4, 1))
    # between is 1/4, within too; what is left is positive by construction and of the order of
    # their standard error, sqrt(2/399)/4 = 0.018
    assert little_bags_variance(effects).mean() < 0.02


def test_a_known_variance_of_groups_is_found() -> None:
    rng = np.random.default_rng(2)
    shared = rng.normal(scale=0.5, size=(500, 400, 1, 1))
    effects = shared + rng.normal(size=(500, 400, 4, 1))
    # 0.25 by design; the estimate's standard error is sqrt(2/399) * 0.5 / sqrt(500) = 0.0016
    assert abs(little_bags_variance(effects).mean() - 0.25) < 4 * 0.0016


def test_trees_that_agree_leave_no_variance() -> None:
    assert little_bags_variance(np.ones((3, 5, 2, 2))).tolist() == [[0.0, 0.0]] * 3
