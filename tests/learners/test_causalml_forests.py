"""causalml's forests: its own answers, from flat trees."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.learners.builders import recipe_of
from uplift.ensemble import FlatEnsemble
from uplift.errors import ConfigError, ExperimentError, OverlapError
from uplift.learners.base import Matrix, Objective
from uplift.learners.causalml_forests import (
    compile_causal_forest,
    compile_uplift_forest,
    fit_causalml_causal_forest,
    fit_uplift_forest,
    sampled,
)
from uplift.learners.data import TrainingData
from uplift.learners.recipe import CausalmlCriterion, CausalmlSettings, Learner, Options, Recipe

pytestmark = pytest.mark.slow

SMALL = CausalmlSettings(n_trees=4, max_depth=4, min_leaf_rows=30, min_arm_rows=10)


def features_of(n: int, *, seed: int) -> Matrix:
    """Numbers of many magnitudes, one often missing, a category by its code, a constant."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 5)) * [1.0, 1e-6, 1e9, 1.0, 0.0]
    features[rng.random(n) < 0.3, 1] = np.nan
    features[:, 3] = rng.integers(0, 4, n)
    return features


def log(n_arms: int, n: int = 3000) -> TrainingData:
    """Arm k moves those of a positive first feature by 15 points times k."""
    rng = np.random.default_rng(1)
    features = features_of(n, seed=2)
    arm = rng.integers(0, n_arms, n)
    chance = 0.2 + 0.15 * arm * (features[:, 0] > 0)
    outcome = (rng.random(n) < chance).astype(np.float64)
    return TrainingData(features, arm, outcome, np.full(n, 1 / n_arms))


def recipe(settings: CausalmlSettings = SMALL, objective: Objective = "binary") -> Recipe:
    return recipe_of(objective=objective, min_arm_rows=20, options=Options(causalml=settings))


def asked() -> Matrix:
    rows = features_of(1000, seed=3)
    rows[np.random.default_rng(4).random(rows.shape) < 0.1] = np.nan
    return rows


def kept_forest(
    monkeypatch: pytest.MonkeyPatch, name: str, fit: Callable[[], FlatEnsemble]
) -> tuple[FlatEnsemble, Any]:
    """What was compiled, and the forest of causalml that it was compiled from."""
    import causalml.inference.tree

    forests = []
    forest_class = getattr(causalml.inference.tree, name)
    own_fit = forest_class.fit

    def fit_and_keep(self: Any, **columns: Any) -> Any:
        forests.append(self)
        return own_fit(self, **columns)

    monkeypatch.setattr(forest_class, "fit", fit_and_keep)
    return fit(), forests[0]


@pytest.mark.parametrize(
    ("criterion", "n_arms"),
    [("kl", 3), ("euclidean", 4), ("chi_square", 3), ("cts", 3)]
    + [(criterion, 2) for criterion in ("kl", "ddp", "it", "cit", "iddp")],
)
def test_an_uplift_forest_answers_as_causalml_does(
    criterion: CausalmlCriterion, n_arms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = recipe(CausalmlSettings(**{**SMALL.__dict__, "criterion": criterion}))
    ours, theirs = kept_forest(
        monkeypatch,
        "UpliftRandomForestClassifier",
        lambda: fit_uplift_forest(log(n_arms), n_arms, own),
    )
    table = theirs.predict(asked(), full_output=True)
    expected = table[list(range(n_arms))].to_numpy()
    assert len(np.unique(expected, axis=0)) > 5
    np.testing.assert_allclose(ours.predict(asked()), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_arms", [2, 3])
def test_a_causal_forest_answers_as_causalml_does(
    n_arms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = recipe(objective="regression")
    ours, theirs = kept_forest(
        monkeypatch,
        "CausalRandomForestRegressor",
        lambda: fit_causalml_causal_forest(log(n_arms), n_arms, own),
    )
    expected = theirs.predict(asked(), with_outcomes=True)[:, :n_arms]
    assert len(np.unique(expected, axis=0)) > 5
    np.testing.assert_allclose(ours.predict(asked()), expected, rtol=0, atol=1e-12)


def test_ten_arms_keep_the_order_that_their_names_would_lose() -> None:
    # As text, arm 10 would stand before arm 2, as coupon_10 before coupon_5.
    rng = np.random.default_rng(1)
    arm = np.arange(13200) % 11
    outcome = (rng.random(13200) < 0.05 + 0.08 * arm).astype(np.float64)
    data = TrainingData(rng.normal(size=(13200, 2)), arm, outcome, np.full(13200, 1 / 11))
    for fit in (fit_uplift_forest, fit_causalml_causal_forest):
        means = fit(data, 11, recipe()).predict(data.features).mean(axis=0)
        assert np.argsort(means).tolist() == list(range(11)), means  # steps of 4 standard errors


def test_a_bootstrap_without_an_arm_says_nothing_for_it() -> None:
    class Array:
        children_left = np.array([-1])
        children_right = np.array([-1])
        feature = np.array([-2])
        threshold = np.array([-2.0])
        missing_go_to_left = np.array([0], dtype=np.uint8)
        value = np.array([[[0.25], [0.75]]])

    class Tree:
        tree_ = Array()
        classes_ = (0, 2)

    class Forest:
        estimators_ = (Tree(),)
        n_features_in_ = 1

    assert compile_uplift_forest(Forest(), 3).predict(np.zeros((1, 1))).tolist() == [
        [0.25, 0, 0.75]
    ]
    Array.value = np.array([[[0.25], [np.nan]]])
    assert compile_causal_forest(Forest()).predict(np.zeros((1, 1))).tolist() == [[0.25, 0.0]]


@pytest.mark.parametrize("fit", [fit_uplift_forest, fit_causalml_causal_forest])
def test_on_average_a_forest_says_what_happened_in_each_arm(fit: Learner) -> None:
    # causalml's bootstrap by weights would make a dishonest causal forest say 1.6 times as much.
    data = log(3)
    seen = np.array([data.outcome[data.arm == arm].mean() for arm in range(3)])
    said = fit(data, 3, recipe()).predict(data.features).mean(axis=0)
    error = 1 / np.sqrt(4 * 1000)  # at most, of a mean of 1,000 outcomes
    assert (np.abs(said - seen) < 3 * error).all()


@pytest.mark.parametrize("fit", [fit_uplift_forest, fit_causalml_causal_forest])
def test_rows_that_do_not_count_alike_are_refused(fit: Learner) -> None:
    data = log(2)
    chance = np.where(np.arange(data.n_rows) % 2 == 0, 0.5, 0.4)
    uneven = TrainingData(data.features, data.arm, data.outcome, chance)
    with pytest.raises(OverlapError, match=r"between 0\.4 and 0\.5.*Take `causal_forest`"):
        fit(uneven, 2, recipe())


def test_of_a_large_log_a_sample_of_whole_units_is_fitted() -> None:
    data = log(2, n=4000)
    named = TrainingData(
        data.features,
        data.arm,
        data.outcome,
        data.propensity,
        cluster=np.repeat([f"u{n}" for n in range(2000)], 2).astype(object),
    )
    few = sampled(named, 1000, seed=1)
    assert few.cluster is not None
    assert few.n_rows == pytest.approx(1000, abs=4 * 2 * 500**0.5)
    assert (np.unique(few.cluster, return_counts=True)[1] == 2).all()
    assert sampled(named, 4000, seed=1) is named
    assert sampled(named, 1000, seed=1).features.tobytes() == few.features.tobytes()


def test_a_sample_that_leaves_too_little_of_an_arm_is_refused() -> None:
    settings = CausalmlSettings(**{**SMALL.__dict__, "max_rows": 30})
    with pytest.raises(ExperimentError, match="learning needs at least 20"):
        fit_uplift_forest(log(3), 3, recipe(settings))


def test_an_uplift_forest_is_for_conversions() -> None:
    with pytest.raises(ConfigError, match="knows conversions only"):
        fit_uplift_forest(log(2), 2, recipe(objective="regression"))


def test_a_criterion_for_one_treatment_is_refused_for_two() -> None:
    settings = CausalmlSettings(criterion="ddp")
    with pytest.raises(ConfigError, match=r"`ddp` compares one treatment .* has 2"):
        fit_uplift_forest(log(3), 3, recipe(settings))
