"""A forest of doubly robust scores: gains, leaves, and what helper models are good for."""

from dataclasses import replace

import numpy as np
import pytest

from tests.forest.builders import ONE_TREE, a_log, possible_splits, small_settings
from uplift.errors import ConfigError, ContractError
from uplift.forest import CausalForest, ForestRows, effects_with_errors, grow_forest
from uplift.forest.bins import Matrix


def scored(rows: ForestRows, seed: int = 1) -> ForestRows:
    rng = np.random.default_rng(seed)
    return replace(rows, expected=rng.random((len(rows.arm), int(rows.arm.max()) + 1)))


def alone(rows: ForestRows, **changed: object) -> CausalForest:
    settings = replace(ONE_TREE, **changed)
    return grow_forest(rows, int(rows.arm.max()) + 1, settings=settings, seed=0, n_threads=1)


def test_scores_are_those_of_the_formula() -> None:
    rows = ForestRows(
        np.zeros((2, 1)),
        np.array([1, 0]),
        np.array([1.0, 3.0]),
        np.array([0.5, 0.25]),
        expected=np.array([[0.25, 0.5], [1.0, 2.0]]),
    )
    assert rows.scores().tolist() == [[0.25, 1.5], [9.0, 2.0]]


def test_a_root_answers_with_the_mean_scores_of_all_rows() -> None:
    rows = scored(a_log(n_rows=500))
    answer = alone(rows, max_depth=0).expected_outcome(rows.features[:1])
    np.testing.assert_allclose(answer, [rows.scores().mean(axis=0)], rtol=1e-9)
    weight = 1.0 + np.arange(500.0) % 3
    weighted = alone(replace(rows, weight=weight), max_depth=0).expected_outcome(rows.features[:1])
    expected = np.average(rows.scores(), axis=0, weights=weight)
    np.testing.assert_allclose(weighted, [expected], rtol=1e-9)


def gain_of_scores(effects: Matrix, low: np.ndarray) -> float:
    """Sum over treatments and children of rows x (mean effect - that of the node)^2, per row."""
    off = [(side.sum(), effects[side].mean(axis=0) - effects.mean(axis=0)) for side in (low, ~low)]
    return float(sum(n * (d**2).sum() for n, d in off) / len(effects))


@pytest.mark.parametrize("n_arms", [2, 3])
def test_the_first_split_is_the_best_by_definition(n_arms: int) -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        rows = ForestRows(
            rng.integers(0, 5, (40, 2)) * 1.0,
            np.arange(40) % n_arms,
            rng.normal(size=40),
            rng.uniform(0.2, 0.8, 40),
            expected=rng.normal(size=(40, n_arms)),
        )
        scores = rows.scores()
        effects = scores[:, 1:] - scores[:, :1]
        best = 0.0
        for column in rows.features.T:
            for _, _, low in possible_splits(column):
                in_both = [
                    min(low[rows.arm == k].sum(), (~low)[rows.arm == k].sum())
                    for k in range(n_arms)
                ]
                if min(in_both) >= 1:
                    best = max(best, gain_of_scores(effects, low))
        assert float(alone(rows).trees[0].tree.gain[0]) == pytest.approx(best, rel=1e-9)


def a_noisy_log(n_rows: int, seed: int) -> tuple[ForestRows, Matrix]:
    """The outcome varies far more with feature 1 than the effect does with feature 0."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_rows, 3))
    arm = rng.integers(0, 2, n_rows)
    without = 4.0 * features[:, 1]
    outcome = without + arm * (features[:, 0] > 0) + 0.3 * rng.normal(size=n_rows)
    rows = ForestRows(features, arm, outcome, np.full(n_rows, 0.5))
    return rows, np.column_stack([without, without + (features[:, 0] > 0)])


def test_helpers_take_away_the_noise_of_what_moves_everybody() -> None:
    rows, expected = a_noisy_log(4000, 5)
    true = (rows.features[:, 0] > 0) * 1.0
    settings = small_settings(n_trees=40, min_leaf_rows=40, min_arm_rows=10)
    plain = grow_forest(rows, 2, settings=settings, seed=1)
    helped = grow_forest(replace(rows, expected=expected), 2, settings=settings, seed=1)
    error = [np.mean((forest.cate(rows.features)[:, 0] - true) ** 2) for forest in (plain, helped)]
    assert error[1] < 0.2 * error[0]
    sure = [
        effects_with_errors(forest, rows.features).standard_error.mean()
        for forest in (plain, helped)
    ]
    assert sure[1] < 0.3 * sure[0]


def test_either_helpers_or_propensities_need_to_be_right() -> None:
    rng = np.random.default_rng(7)
    n_rows = 40_000
    often = rng.random(n_rows) < 0.5
    chance = np.where(often, 0.8, 0.2)
    arm = (rng.random(n_rows) < chance).astype(np.int64)
    outcome = often * 1.0 + 0.5 * arm + 0.2 * rng.normal(size=n_rows)
    right = np.column_stack([often * 1.0, often + 0.5])
    known, wrong = np.where(arm == 1, chance, 1.0 - chance), np.full(n_rows, 0.5)
    settings = small_settings(max_depth=0)
    for propensity, expected in ((known, np.zeros((n_rows, 2))), (wrong, right)):
        rows = ForestRows(np.zeros((n_rows, 1)), arm, outcome, propensity, expected=expected)
        effect = grow_forest(rows, 2, settings=settings, seed=1).cate(np.zeros((1, 1)))[0, 0]
        # scores vary with a standard deviation of about 2; half of 40,000 rows in every tree
        assert abs(effect - 0.5) < 4 * 2.0 / np.sqrt(n_rows / 2)


def test_scores_have_no_distribution_to_compare() -> None:
    with pytest.raises(ConfigError, match="only have means"):
        alone(scored(a_log(n_rows=100)), criterion="kl")


@pytest.mark.parametrize("shape", [(5, 2), (4, 1)])
def test_helpers_that_do_not_fit_are_named(shape: tuple[int, int]) -> None:
    columns = np.zeros((4, 1)), np.array([0, 1, 0, 1]), np.zeros(4), np.full(4, 0.5)
    with pytest.raises(ContractError, match="expected outcomes"):
        grow_forest(
            ForestRows(*columns, expected=np.zeros(shape)), 2, settings=small_settings(), seed=1
        )
