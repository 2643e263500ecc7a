"""Linear base models: scikit-learn's numbers, and what is no number."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.learners.builders import ARMS, recipe_of
from uplift.ensemble import FlatEnsemble
from uplift.errors import ConfigError
from uplift.features.encoder import fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.learners.base import Matrix, Objective, Vector
from uplift.learners.boosting import LocalTrainer
from uplift.learners.data import TrainingData
from uplift.learners.families import FAMILIES
from uplift.learners.fit import Plan, fit_model
from uplift.learners.linear import MOST_LEVELS, LinearSettings, fit_linear
from uplift.learners.model import load_model
from uplift.learners.recipe import Options, Recipe

SETTINGS = LinearSettings(l2=3.0)
FAMILIES_OF_SUMS = [
    "t_learner",
    "x_learner",
    "r_learner",
    "dr_learner",
    "transformed_outcome",
    "class_transformation",
]


def rows(n: int = 800, *, seed: int = 1) -> Matrix:
    """A number, one with gaps and another scale, a category, a category with gaps, a constant."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 5))
    features[:, 1] = 1e4 + 300 * features[:, 1]
    features[rng.random(n) < 0.3, 1] = np.nan
    features[:, 2] = rng.integers(0, 4, n)
    features[:, 3] = rng.integers(0, 3, n)
    features[rng.random(n) < 0.2, 3] = np.nan
    features[:, 4] = 7.3
    return features


def outcome_of(features: Matrix, objective: Objective, *, seed: int = 2) -> Vector:
    rng = np.random.default_rng(seed)
    score = features[:, 0] + 0.5 * (features[:, 2] == 1) + np.isnan(features[:, 1])
    if objective == "binary":
        return (rng.random(len(score)) < 1 / (1 + np.exp(-score))).astype(np.float64)
    return score + rng.normal(size=len(score))


def fit(
    features: Matrix, outcome: Vector, objective: Objective, weight: Vector | None = None
) -> FlatEnsemble:
    return fit_linear(
        features, outcome, weight, objective=objective, categorical=[2, 3], settings=SETTINGS
    )


def recipe(objective: Objective) -> Recipe:
    options = Options(n_folds=2, linear=SETTINGS)
    return recipe_of(objective=objective, categorical=[2, 3], min_arm_rows=100, options=options)


def log(n_arms: int = 3, n: int = 3000) -> TrainingData:
    """The effect of arm k is k/10 for those whose first feature is positive, else nothing."""
    rng = np.random.default_rng(3)
    features = rows(n)
    arm = rng.integers(0, n_arms, n)
    chance = 0.3 + 0.1 * arm * (features[:, 0] > 0)
    outcome = (rng.random(n) < chance).astype(np.float64)
    return TrainingData(features, arm, outcome, np.full(n, 1 / n_arms))


@pytest.mark.parametrize("objective", ["binary", "regression"])
def test_the_score_is_that_of_scikit_learn_with_its_own_preprocessing(objective: Objective) -> None:
    features, new = rows(), rows(200, seed=9)
    outcome = outcome_of(features, objective)
    is_binary = objective == "binary"
    model = LogisticRegression(C=1 / 3.0, solver="newton-cholesky", tol=1e-8)
    theirs = make_pipeline(
        ColumnTransformer(
            [
                ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), [0, 1, 4]),
                ("gap", make_pipeline(SimpleImputer(add_indicator=True)), [1]),
                ("categories", OneHotEncoder(handle_unknown="ignore"), [2, 3]),
            ],
            sparse_threshold=0.0,
        ),
        model if is_binary else Ridge(alpha=3.0, solver="cholesky"),
    )
    # The imputed number before the indicator is a copy of an earlier column: take it out again.
    preprocess = theirs[0]
    design, other = preprocess.fit_transform(features), preprocess.transform(new)
    design, other = np.delete(design, 3, axis=1), np.delete(other, 3, axis=1)
    # They spread missing numbers as the mean; the spread that counts is that of known ones.
    spread = np.nanstd(features[:, 1]) / np.sqrt(
        preprocess.named_transformers_["numbers"][1].var_[1]
    )
    design[:, 1] /= spread
    other[:, 1] /= spread
    own = theirs[1].fit(design, outcome)
    expected = own.decision_function(other) if is_binary else own.predict(other)
    ours = fit(features, outcome, objective)
    np.testing.assert_allclose(ours.raw(new)[:, 0], expected, rtol=0, atol=1e-12)
    if is_binary:
        np.testing.assert_allclose(ours.predict(new)[:, 0], own.predict_proba(other)[:, 1])


@pytest.mark.parametrize("objective", ["binary", "regression"])
def test_a_row_of_weight_two_is_two_rows(objective: Objective) -> None:
    features = rows()
    outcome = outcome_of(features, objective)
    twice = np.arange(len(outcome)) % 3 == 0
    weighted = fit(features, outcome, objective, weight=1.0 + twice)
    repeated = np.repeat(np.arange(len(outcome)), 1 + twice)
    both = fit(features[repeated], outcome[repeated], objective)
    np.testing.assert_allclose(weighted.raw(features), both.raw(features), atol=1e-8)


def test_a_number_missing_for_the_first_time_counts_as_the_mean() -> None:
    features = rows()
    model = fit(features, outcome_of(features, "regression"), "regression")
    asked = np.tile([0.0, 1e4, 1.0, 1.0, 7.3], (2, 1))
    asked[:, 0] = [np.nan, features[:, 0].mean()]
    missing, mean = model.raw(asked)[:, 0]
    assert missing == pytest.approx(mean, abs=1e-12)


def test_a_category_that_training_has_not_seen_adds_nothing() -> None:
    features = rows()
    model = fit(features, outcome_of(features, "regression"), "regression")
    asked = np.tile([0.0, 1e4, 0.0, 1.0, 7.3], (4, 1))
    asked[:, 2] = [np.nan, 99.0, 0.0, 1.0]
    unknown, unseen, *known = model.raw(asked)[:, 0]
    assert unknown == unseen
    assert unseen not in known


def test_only_the_most_frequent_categories_have_a_coefficient() -> None:
    level = np.repeat(np.arange(MOST_LEVELS + 5), np.arange(MOST_LEVELS + 5, 0, -1))
    features = np.column_stack([level.astype(np.float64), np.zeros(len(level))])
    outcome = np.random.default_rng(1).normal(size=len(level))
    model = fit_linear(
        features, outcome, None, objective="regression", categorical=[0], settings=SETTINGS
    )
    asked = np.zeros((MOST_LEVELS + 5, 2))
    asked[:, 0] = np.arange(MOST_LEVELS + 5)
    assert len(set(model.raw(asked)[MOST_LEVELS:, 0])) == 1
    assert len(set(model.raw(asked)[: MOST_LEVELS + 1, 0])) == MOST_LEVELS + 1


def test_a_constant_feature_has_no_slope() -> None:
    features = rows()
    slopes = fit(features, outcome_of(features, "binary"), "binary").slopes
    assert slopes is not None
    assert slopes[4, 0] == 0.0 != slopes[0, 0]


@pytest.mark.parametrize("happened", [0.0, 1.0])
def test_where_all_did_alike_that_is_the_answer(happened: float) -> None:
    model = fit(rows(), np.full(800, happened), "binary")
    np.testing.assert_allclose(model.predict(rows())[:, 0], happened, atol=1e-12)


@pytest.mark.parametrize("name", FAMILIES_OF_SUMS)
def test_families_of_sums_find_whom_each_coupon_moves(name: str) -> None:
    data = log()
    model = FAMILIES[name](data, 3, recipe("binary"))
    expected = model.predict(rows(2000, seed=5))
    assert ((expected >= 0) & (expected <= 1)).all()
    moved = rows(2000, seed=5)[:, 0] > 0
    cate = expected[:, 1:] - expected[:, :1]
    assert (cate[moved].mean(axis=0) - cate[~moved].mean(axis=0) > [0.03, 0.08]).all()
    # The arms keep their order: coupon 2 moves more than coupon 1.
    assert cate[moved, 1].mean() > cate[moved, 0].mean() + 0.03


@pytest.mark.parametrize("name", ["s_learner", "reparametrised", "causal_forest"])
def test_families_that_have_no_use_for_a_linear_model_say_so(name: str) -> None:
    with pytest.raises(ConfigError, match=f"`{name}` cannot be had with `base: linear`"):
        FAMILIES[name](log(), 3, recipe("binary"))


def test_a_linear_model_is_a_bundle_like_any_other(tmp_path: Path) -> None:
    data = log(n=1500)
    encoder = fit_encoder(
        [FeatureColumn(f"f{n}", "categorical" if n in (2, 3) else "numeric") for n in range(5)],
        {"f2": "abcd", "f3": "abc"},
    )
    plan = Plan(LocalTrainer(), {}, 1, 1, "dr_learner", Options(n_folds=2, linear=SETTINGS))
    columns = (data.features, data.arm, data.propensity, {"conversion": data.outcome})
    model, again = (fit_model(*columns, arms=ARMS, encoder=encoder, plan=plan) for _ in range(2))
    assert model.version == again.version
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    for other in (loaded, pickle.loads(pickle.dumps(model))):
        assert other.version == model.version
        assert other.cate(rows()).tobytes() == model.cate(rows()).tobytes()
