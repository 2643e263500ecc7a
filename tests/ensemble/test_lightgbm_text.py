import math
from collections.abc import Mapping
from functools import cache

import lightgbm
import numpy as np
import pytest

from uplift.ensemble import compile_lightgbm
from uplift.errors import ContractError


@cache
def text_of(*parameters: tuple[str, object]) -> str:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(200, 2))
    outcome = (features[:, 0] > 0).astype(np.float64) + 1.0 * (
        dict(parameters).get("num_class", 0) == 3
    )
    settings: Mapping[str, object] = {"verbosity": -1, "num_threads": 1, **dict(parameters)}
    dataset = lightgbm.Dataset(features, outcome, params=dict(settings))
    return str(lightgbm.train(dict(settings), dataset, num_boost_round=2).model_to_string())


def test_a_model_written_by_hand_is_understood() -> None:
    text = """tree
version=v4
num_class=1
num_tree_per_iteration=1
max_feature_idx=1
objective=binary sigmoid:2
tree_sizes=1 1

Tree=0
num_leaves=3
num_cat=1
split_feature=1 0
threshold=0.5 0
decision_type=2 1
left_child=1 -1
right_child=-2 -3
leaf_value=1 2 4
cat_boundaries=0 2
cat_threshold=2 1
is_linear=0

Tree=1
num_leaves=1
num_cat=0
split_feature=
threshold=
decision_type=
left_child=
right_child=
leaf_value=0.25
is_linear=0

end of trees
"""
    ensemble = compile_lightgbm(text)
    rows = np.array([[1.0, 0.0], [32.0, 0.0], [2.0, 0.0], [1.0, 1.0]])
    assert ensemble.raw(rows)[:, 0].tolist() == [1.25, 1.25, 4.25, 2.25]
    assert ensemble.predict(rows[:1])[0, 0] == 1.0 / (1.0 + math.exp(-2.0 * 1.25))


def test_a_model_without_trees_answers_nought() -> None:
    whole = text_of(("objective", "regression"))
    text = whole[: whole.index("tree_sizes")] + "tree_sizes=\n\nend of trees\n"
    assert compile_lightgbm(text).raw(np.zeros((2, 2))).tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize(
    ("objective", "link"),
    [
        ("binary", "logistic"),
        ("cross_entropy", "logistic"),
        ("regression", "identity"),
        ("huber", "identity"),
        ("quantile", "identity"),
        ("regression_l1", "identity"),
    ],
)
def test_the_link_follows_from_the_objective(objective: str, link: str) -> None:
    assert compile_lightgbm(text_of(("objective", objective))).link == link


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"objective": "regression", "linear_tree": True}, "linear leaves"),
        ({"objective": "multiclass", "num_class": 3}, "has 3 classes, not 1"),
        ({"objective": "multiclassova", "num_class": 3}, "has 3 classes, not 1"),
        ({"objective": "poisson"}, "`poisson` has another link"),
        ({"objective": "tweedie"}, "`tweedie` has another link"),
        ({"objective": "regression", "reg_sqrt": True}, "`regression sqrt` has another link"),
        (
            {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
            "averages its trees",
        ),
    ],
)
def test_a_model_that_is_no_link_over_a_sum_is_refused(
    parameters: Mapping[str, object], message: str
) -> None:
    with pytest.raises(ContractError, match=f"{message}.* Train with objective"):
        compile_lightgbm(text_of(*parameters.items()))


def test_a_text_cut_short_anywhere_is_refused() -> None:
    whole = text_of(("objective", "binary"))
    for length in range(0, whole.index("end of trees") + len("end of tree"), 50):
        with pytest.raises(ContractError, match="no whole LightGBM model text"):
            compile_lightgbm(whole[:length])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("split_feature=", "split_feature=7 "),
        ("left_child=", "left_child=0 "),
        ("leaf_value=", "leaf_value=abc "),
        ("threshold=", "thresholds="),
        ("max_feature_idx=1", "max_feature_idx=-1"),
        ("num_leaves=", "num_leaves=1"),
        ("num_cat=0", "num_cat=1"),
    ],
)
def test_a_damaged_text_is_refused(old: str, new: str) -> None:
    whole = text_of(("objective", "binary"), ("min_data_in_leaf", 2))
    assert old in whole
    with pytest.raises(ContractError, match="model text of 2 trees is damaged"):
        compile_lightgbm(whole.replace(old, new, 1))


def test_another_version_of_the_text_is_refused() -> None:
    with pytest.raises(ContractError, match="version 'v5', understood is 'v4'"):
        compile_lightgbm(text_of(("objective", "binary")).replace("version=v4", "version=v5"))
