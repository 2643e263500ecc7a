import numpy as np
import pytest

from tests.learners.builders import eight_rows, recipe_of
from uplift.errors import ConfigError
from uplift.learners.base import Matrix, Parameters, Vector
from uplift.learners.boosting import LocalTrainer
from uplift.learners.data import TrainingData
from uplift.learners.recipe import Options
from uplift.learners.s_learner import fit_s_learner

# One tree that may split down to single rows: it learns means exactly.
EXACT: Parameters = {
    "learning_rate": 1.0,
    "num_leaves": 8,
    "min_data_in_leaf": 1,
    "min_sum_hessian_in_leaf": 0.0,
    "min_data_in_bin": 1,
    "min_data_per_group": 1,
    "cat_smooth": 0.0,
    "cat_l2": 0.0,
}
ANYBODY = np.zeros((1, 2))
EUROS = (0.0, 5.0, 10.0)


def answer(data: TrainingData, options: Options) -> Vector:
    recipe = recipe_of(LocalTrainer(), parameters=EXACT, rounds=5, options=options)
    return np.asarray(fit_s_learner(data, 3, recipe).predict(ANYBODY)[0])


@pytest.mark.parametrize("options", [Options(), Options(face_values=EUROS)])
def test_the_arm_is_one_more_feature(options: Options) -> None:
    np.testing.assert_allclose(answer(eight_rows(), options), [0.25, 0.5, 1.0], atol=1e-6)


@pytest.mark.parametrize("options", [Options(), Options(face_values=EUROS)])
def test_a_weight_says_how_many_rows_a_row_stands_for(options: Options) -> None:
    weight = np.array([1.0, 1.0, 1.0, 3.0, 1.0, 3.0, 5.0, 5.0])
    np.testing.assert_allclose(
        answer(eight_rows(weight=weight), options), [0.5, 0.75, 1.0], atol=1e-6
    )


def dented() -> TrainingData:
    """The coupon of 5 euro does worse than none."""
    return eight_rows(outcome=np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]))


def test_more_euro_never_lower_a_monotone_outcome() -> None:
    free = answer(dented(), Options(face_values=EUROS))
    np.testing.assert_allclose(free, [0.5, 0.0, 1.0], atol=1e-6)
    monotone = answer(dented(), Options(face_values=EUROS, monotone=True))
    assert (np.diff(monotone) >= 0.0).all()


def test_interactions_with_features_survive_the_fixing_of_the_arm() -> None:
    data = interaction(400)
    recipe = recipe_of(
        LocalTrainer(), objective="binary", parameters=EXACT, rounds=3, categorical=[1]
    )
    rows = np.array([[-1.0, 0.0], [1.0, 0.0], [np.nan, np.nan]])
    expected = fit_s_learner(data, 2, recipe).predict(rows)
    assert expected[1, 1] - expected[1, 0] > 0.9
    assert abs(expected[0, 1] - expected[0, 0]) < 0.1
    assert np.isfinite(expected).all()


def interaction(n_rows: int) -> TrainingData:
    rng = np.random.default_rng(1)
    features: Matrix = np.column_stack([rng.normal(size=n_rows), rng.integers(0, 3, n_rows)])
    arm = rng.integers(0, 2, n_rows)
    outcome = ((features[:, 0] > 0) & (arm == 1)).astype(np.float64)
    return TrainingData(features, arm, outcome, np.full(n_rows, 0.5))


@pytest.mark.parametrize("values", [(0.0, 5.0, 5.0), (0.0, 5.0)])
def test_face_values_must_tell_the_arms_apart(values: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"do not tell 3 arms apart.*face_value_eur"):
        answer(eight_rows(), Options(face_values=values))


def test_a_category_has_no_order_to_keep() -> None:
    with pytest.raises(ConfigError, match="arm_as: face_value"):
        answer(eight_rows(), Options(monotone=True))
