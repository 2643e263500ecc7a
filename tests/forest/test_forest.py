"""What a forest answers, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from tests.forest.builders import a_log, small_forest, small_settings
from uplift.errors import ConfigError, ContractError, ExperimentError, OverlapError
from uplift.forest import ForestRows, ForestSettings, grow_forest
from uplift.forest.plan import mean_propensity, row_weights


def test_a_forest_finds_who_is_helped_by_which_arm() -> None:
    rows = a_log(n_rows=6000)
    effects = small_forest(rows, n_trees=40).cate(rows.features)
    helped = rows.features[:, :2] > 0
    for arm in range(2):
        assert effects[helped[:, arm], arm].mean() > 0.2
        assert effects[~helped[:, arm], arm].mean() < 0.1


def test_a_root_alone_answers_with_the_means_of_the_arms() -> None:
    rows = a_log()
    settings = ForestSettings(
        n_trees=1, trees_per_group=1, sample_share=1.0, is_honest=False, max_depth=0
    )
    forest = grow_forest(rows, 3, settings=settings, seed=1)
    means = [rows.outcome[rows.arm == arm].mean() for arm in range(3)]
    np.testing.assert_allclose(forest.expected_outcome(rows.features[:1]), [means], rtol=1e-14)
    assert forest.importance().tolist() == [0.0] * 4


def test_unequal_propensities_are_undone_by_weights() -> None:
    rng = np.random.default_rng(2)
    n_rows = 40_000
    often = rng.random(n_rows) < 0.5
    chance = np.where(often, 0.8, 0.2)
    arm = (rng.random(n_rows) < chance).astype(np.int64)
    outcome = often * 1.0 + 0.5 * arm + rng.normal(size=n_rows)
    propensity = np.where(arm == 1, chance, 1.0 - chance)
    rows = ForestRows(np.zeros((n_rows, 1)), arm, outcome, propensity)
    effect = small_forest(rows).cate(np.zeros((1, 1)))[0, 0]
    # sd of a weighted difference of means is about sqrt(2 * 1.5 / 10,000 rows) = 0.02; 5 of them
    assert abs(effect - 0.5) < 0.1
    naive = outcome[arm == 1].mean() - outcome[arm == 0].mean()
    assert naive > 0.9


def test_a_row_of_weight_three_counts_as_three_rows() -> None:
    rows = a_log(n_rows=300)
    settings = small_settings(
        n_trees=1, trees_per_group=1, sample_share=1.0, is_honest=False, max_depth=0
    )
    weight = np.where(np.arange(300) < 50, 3.0, 1.0)
    thrice = np.concatenate([np.arange(300), np.arange(50), np.arange(50)])
    repeated = ForestRows(
        rows.features[thrice], rows.arm[thrice], rows.outcome[thrice], rows.propensity[thrice]
    )
    answers = [
        grow_forest(log, 3, settings=settings, seed=1).expected_outcome(rows.features[:1])
        for log in (replace(rows, weight=weight), repeated)
    ]
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-12)


def test_rows_of_one_cluster_stay_together() -> None:
    rows = a_log(n_rows=400)
    one = replace(rows, keys=np.zeros(400, dtype=np.uint64))
    settings = small_settings(n_trees=50, trees_per_group=1, max_depth=0)
    for grown in grow_forest(one, 3, settings=settings, seed=1).trees:
        assert grown.n_rows[0].sum() in (0.0, 400.0)


def test_leaves_without_an_arm_answer_as_their_parent_does() -> None:
    rng = np.random.default_rng(0)
    rows = ForestRows(
        rng.normal(size=(60, 2)), np.arange(60) % 3, rng.random(60), np.full(60, 1 / 3)
    )
    forest = small_forest(rows, min_leaf_rows=2, min_arm_rows=1, n_trees=20, min_child_share=0.0)
    n_empty = 0
    for grown in forest.trees:
        for node in np.flatnonzero(grown.tree.feature >= 0):
            for child in (grown.tree.low[node], grown.tree.high[node]):
                empty = grown.n_rows[child] == 0.0
                n_empty += empty.sum()
                answers = grown.expected_outcome
                np.testing.assert_array_equal(answers[child][empty], answers[node][empty])
    assert n_empty > 0


def test_shrunk_leaves_lie_between_their_mean_and_their_parents() -> None:
    rows = a_log()
    plain, shrunk = (small_forest(rows, leaf_shrinkage=rows_) for rows_ in (0.0, 50.0))
    assert np.array_equal(plain.ensemble.threshold, shrunk.ensemble.threshold)
    assert shrunk.cate(rows.features).std() < 0.8 * plain.cate(rows.features).std()


def test_an_arm_of_one_row_answers_with_that_row_where_no_tree_drew_it() -> None:
    rows = a_log(n_rows=400, n_arms=2)
    arm, outcome = rows.arm.copy(), rows.outcome.copy()
    arm[7], outcome[7] = 2, 1.0
    forest = small_forest(replace(rows, arm=arm, outcome=outcome), n_trees=20)
    assert any(grown.n_rows[0, 2] == 0.0 for grown in forest.trees)
    np.testing.assert_allclose(forest.expected_outcome(rows.features)[:, 2], 1.0, rtol=1e-12)
    assert len(forest.ensemble.feature) == 0


@pytest.mark.parametrize("name", ["all the same", "one constant outcome", "two rows"])
def test_a_log_that_teaches_nothing_grows_roots(name: str) -> None:
    rows = a_log(n_rows=300)
    if name == "all the same":
        rows = replace(rows, features=np.full((300, 4), 7.0))
    elif name == "one constant outcome":
        rows = replace(rows, outcome=np.full(300, 0.3))
    else:
        two = np.array([0, 1])
        rows = ForestRows(rows.features[:2], two, rows.outcome[:2], rows.propensity[:2])
    forest = small_forest(rows)
    assert len(forest.ensemble.feature) == 0
    assert np.isfinite(forest.cate(rows.features)).all()


def test_a_constant_feature_and_one_that_is_missing_are_never_split_on() -> None:
    rows = a_log()
    features = np.column_stack([rows.features, np.ones(2000), np.full(2000, np.nan)])
    forest = small_forest(replace(rows, features=features))
    assert forest.importance()[4:].tolist() == [0.0, 0.0]
    assert forest.importance().sum() == pytest.approx(1.0)


def test_a_value_that_is_missing_on_purpose_is_split_on() -> None:
    rng = np.random.default_rng(3)
    hidden = rng.random(2000) < 0.4
    features = np.where(hidden, np.nan, rng.normal(size=2000))[:, None]
    arm = rng.integers(0, 2, 2000)
    rows = ForestRows(features, arm, 2.0 * arm * hidden, np.full(2000, 0.5))
    effects = small_forest(rows).cate(np.array([[np.nan], [0.0]]))[:, 0]
    assert effects == pytest.approx([2.0, 0.0], abs=0.2)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (
            {"outcome": np.array([0.0, np.nan, 1.0, 0.0])},
            ContractError,
            "outcome is nan and thus no number in 1 of 4",
        ),
        ({"propensity": np.array([0.5, 0.0, 0.5, 0.5])}, OverlapError, "propensity is 0.0"),
        ({"arm": np.array([0, 1])}, ContractError, "other columns have"),
        ({"arm": np.array([0.0, 1.0, 0.0, 1.0])}, ContractError, "the arm is float64"),
        ({"features": np.zeros((4, 2), dtype=np.float32)}, ContractError, "float32"),
        ({"features": np.zeros((4, 0))}, ExperimentError, "nothing to learn from"),
        ({"keys": np.zeros(3, dtype=np.uint64)}, ContractError, "keys"),
        ({"weight": np.array([1.0, 1.0, np.inf, 1.0])}, ContractError, "weight is inf"),
        (
            {"weight": np.array([1.0, 1.0, 0.0, 1.0])},
            ContractError,
            "weight is 0.0 and thus not positive",
        ),
    ],
)
def test_rows_that_break_the_contract_are_named(
    changed: dict[str, np.ndarray], error: type[Exception], message: str
) -> None:
    columns = {
        "features": np.zeros((4, 2)),
        "arm": np.array([0, 1, 0, 1]),
        "outcome": np.zeros(4),
        "propensity": np.full(4, 0.5),
    }
    with pytest.raises(error, match=message):
        ForestRows(**(columns | changed))


def test_an_arm_without_a_row_is_an_error_and_an_unknown_arm_too() -> None:
    rows = a_log(n_arms=2)
    with pytest.raises(ExperimentError, match="arm 2 has no row"):
        grow_forest(rows, 3, settings=small_settings(), seed=1)
    with pytest.raises(ContractError, match="rows have another"):
        grow_forest(a_log(), 2, settings=small_settings(), seed=1)


@pytest.mark.parametrize(
    "changed",
    [
        {"criterion": "gini"},
        {"is_normalised": True},
        {"shard_rows": 0},
        {"n_trees": 5},
        {"trees_per_group": 0},
        {"sample_share": 0.6},
        {"max_depth": 31},
        {"min_arm_rows": 0},
        {"min_child_share": 0.6},
        {"leaf_shrinkage": -1.0},
        {"features_per_node": 0},
    ],
)
def test_settings_out_of_range_are_named(changed: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changed))):
        small_settings(**changed)


def test_stabilised_weights_keep_the_size_of_an_arm() -> None:
    arm = np.array([0, 0, 1, 1])
    propensity = np.array([0.25, 0.75, 0.5, 0.5])
    mean = mean_propensity(arm, propensity)
    weights = row_weights(arm, propensity, np.array([1.0, 1.0, 2.0, 2.0]), mean)
    assert weights is not None
    assert weights.tolist() == [2.0, 2.0 / 3.0, 2.0, 2.0]
