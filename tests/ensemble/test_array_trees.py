import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.tree import DecisionTreeRegressor

from uplift.ensemble import compile_array_trees
from uplift.ensemble.array_trees import widest


@given(st.floats(-1e37, 1e37, allow_nan=False), st.integers(-3, 3))
def test_a_threshold_parts_doubles_where_it_parts_them_rounded(threshold: float, step: int) -> None:
    moved = widest(np.array([threshold]))[0]
    value = moved
    for _ in range(abs(step)):
        value = np.nextafter(value, np.copysign(np.inf, step))
    assert (value <= moved) == (float(np.float32(value)) <= threshold)


@pytest.mark.parametrize("width", [1, 3])
def test_a_forest_of_scikit_learn_answers_the_same_with_missing_values(width: int) -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(2000, 4))
    features[rng.random(2000) < 0.3, 1] = np.nan
    outcome = features[:, [0]] ** 2 + rng.normal(size=(2000, width))
    forest = ExtraTreesRegressor(7, max_depth=7, random_state=1).fit(features, outcome.squeeze())
    new = rng.normal(size=(2000, 4))
    new[rng.random((2000, 4)) < 0.1] = np.nan
    trees = [tree.tree_ for tree in forest.estimators_]
    ours = compile_array_trees(trees, [tree.value[:, :, 0] for tree in trees], 4)
    theirs = forest.predict(new).reshape(-1, width)
    np.testing.assert_allclose(ours.predict(new), theirs, rtol=0, atol=1e-12)


def test_a_tree_without_a_split_is_its_root() -> None:
    tree = DecisionTreeRegressor().fit(np.zeros((3, 1)), [1.0, 2.0, 6.0]).tree_
    ours = compile_array_trees([tree], [tree.value[:, :, 0]], 1)
    assert ours.predict(np.array([[np.nan]]))[0, 0] == 3.0
