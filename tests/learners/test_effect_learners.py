"""Transformed outcome, class transformation, reparametrised, X, R, DR and response, by head."""

import numpy as np
import pytest

from tests.learners.builders import eight_rows, recipe_of
from uplift.errors import ConfigError, OverlapError
from uplift.learners.base import Objective, Vector
from uplift.learners.boosting import LocalTrainer
from uplift.learners.data import TrainingData
from uplift.learners.dr_learner import dr_score, fit_dr_learner
from uplift.learners.nuisance import assign_folds
from uplift.learners.r_learner import fit_r_learner
from uplift.learners.recipe import Learner, Options, Recipe
from uplift.learners.reparametrised import average_shift, fit_reparametrised
from uplift.learners.response import fit_response
from uplift.learners.transformed import fit_class_transformation, fit_transformed_outcome
from uplift.learners.x_learner import fit_x_learner

ANYBODY = np.zeros((1, 2))


def answer(learner: Learner, data: TrainingData, recipe: Recipe | None = None) -> Vector:
    n_arms = int(data.arm.max()) + 1
    return np.asarray(learner(data, n_arms, recipe or recipe_of()).predict(ANYBODY)[0])


def two_arms(**changed: object) -> TrainingData:
    """Control 1/4, treatment 3/4, drawn equally often."""
    columns = {
        "arm": np.repeat([0, 1], 4),
        "outcome": np.array([0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0]),
        "propensity": np.full(8, 0.5),
    }
    return eight_rows(**(columns | changed))


@pytest.mark.parametrize(
    "learner",
    [fit_transformed_outcome, fit_x_learner, fit_reparametrised],
    ids=lambda f: f.__name__,
)
def test_where_a_model_is_a_mean_the_effect_is_a_difference_of_means(learner: Learner) -> None:
    # Features are constant, so LightGBM has nothing to split by.
    recipe = recipe_of(LocalTrainer())
    np.testing.assert_allclose(answer(learner, eight_rows(), recipe), [0.25, 0.5, 1.0], atol=1e-12)


def test_the_class_holds_treated_buyers_and_untreated_non_buyers() -> None:
    # Z is 1 in 3 rows of control and 3 of the treatment: 2 x 6/8 - 1 = 1/2.
    recipe = recipe_of(objective="binary")
    np.testing.assert_allclose(answer(fit_class_transformation, two_arms(), recipe), [0.25, 0.75])


def test_at_other_shares_the_class_gives_way_to_the_transformed_outcome() -> None:
    recipe = recipe_of(objective="binary")
    ours = fit_class_transformation(eight_rows(), 3, recipe)
    assert ours.digest() == fit_transformed_outcome(eight_rows(), 3, recipe).digest()


def test_the_class_means_nothing_where_chances_differ_between_units() -> None:
    uneven = np.array([0.6, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    with pytest.raises(OverlapError, match=r"between 0\.5 and 0\.6 .*`transformed_outcome`"):
        answer(fit_class_transformation, two_arms(propensity=uneven), recipe_of(objective="binary"))


def test_the_class_is_for_conversions() -> None:
    with pytest.raises(ConfigError, match="conversions only"):
        answer(fit_class_transformation, two_arms())


def test_a_transformed_outcome_heeds_the_chance_of_each_unit() -> None:
    # Half of the units had a chance of 3/4: their treated count 4/3, their control 4, of 8 rows.
    propensity = np.array([0.25, 0.5, 0.5, 0.5, 0.75, 0.5, 0.5, 0.5])
    data = two_arms(propensity=propensity, outcome=np.array([1.0, 0, 0, 0, 1.0, 0, 0, 0]))
    effect = (-1.0 / 0.25 + 1.0 / 0.75) / 8
    control, treated = answer(fit_transformed_outcome, data)
    assert (control, treated) == pytest.approx((0.25, 0.25 + effect))


def test_the_x_learner_weighs_the_two_sides_by_the_chance_of_the_treatment() -> None:
    # With means alone both sides say the same, so let a feature tell them apart.
    rng = np.random.default_rng(1)
    features = rng.normal(size=(4000, 1))
    arm = (rng.random(4000) < 0.2).astype(np.int64)
    outcome = features[:, 0] * (1 + arm)
    data = TrainingData(features, arm, outcome, np.where(arm == 1, 0.2, 0.8))
    recipe = recipe_of(LocalTrainer(), parameters={"learning_rate": 0.2}, rounds=20)
    ensemble = fit_x_learner(data, 2, recipe)
    control, treated = (data.where(data.arm == k) for k in (0, 1))
    mu = [recipe.outcome_model(d.features, d.outcome, None) for d in (control, treated)]
    sides = [
        recipe.mean_model(
            control.features, mu[1].predict(control.features)[:, 0] - control.outcome, None
        ),
        recipe.mean_model(
            treated.features, treated.outcome - mu[0].predict(treated.features)[:, 0], None
        ),
    ]
    rows = rng.normal(size=(50, 1))
    expected = 0.2 * sides[0].predict(rows)[:, 0] + 0.8 * sides[1].predict(rows)[:, 0]
    effects = np.diff(ensemble.predict(rows), axis=1)[:, 0]
    np.testing.assert_allclose(effects, expected, atol=1e-12)


def test_the_x_learners_weight_is_the_average_chance_of_all_units() -> None:
    # A row of chance 1/5 that stands for nine, and seven rows of chance 3/5.
    data = two_arms(
        features=np.random.default_rng(1).normal(size=(8, 1)),
        propensity=np.array([0.8, 0.4, 0.4, 0.4, 0.6, 0.6, 0.6, 0.6]),
        weight=np.array([9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
    )
    recipe = recipe_of()
    control = data.where(data.arm == 0)
    assert control.weight is not None
    effect = 0.75 - np.average(control.outcome, weights=control.weight)  # on either side
    share = (9.0 * 0.2 + 7.0 * 0.6) / 16.0
    among_control, among_treated = fit_x_learner(data, 2, recipe).leaf_values[1:, 1]
    assert among_control == pytest.approx(share * effect)
    assert among_treated == pytest.approx((1.0 - share) * effect)


def test_the_r_learner_is_least_squares_of_residuals() -> None:
    data = two_arms(propensity=np.array([0.25, 0.5, 0.5, 0.5, 0.75, 0.5, 0.5, 0.5]))
    recipe = recipe_of(options=Options(n_folds=2))
    fold = assign_folds(data, 2, salt=str(recipe.seed))
    mean = np.array([data.outcome[fold != own].mean() for own in fold])
    left = data.arm - np.where(data.arm == 1, data.propensity, 1 - data.propensity)
    effect = ((data.outcome - mean) * left).sum() / (left**2).sum()
    np.testing.assert_allclose(answer(fit_r_learner, data, recipe), [0.25, 0.25 + effect])


def test_a_doubly_robust_score_is_right_if_the_helper_is() -> None:
    expected = np.array([[0.2, 0.7], [0.4, 0.1]])
    score = dr_score(np.array([0.2, 0.1]), np.array([0, 1]), expected, np.full((2, 2), 0.5))
    np.testing.assert_allclose(score, expected)


def test_a_doubly_robust_score_is_right_on_average_if_the_chances_are() -> None:
    rng = np.random.default_rng(1)
    chances = np.array([0.5, 0.3, 0.2])
    arm = rng.choice(3, p=chances, size=40_000)
    outcome = np.array([1.0, 2.0, 4.0])[arm] + rng.normal(size=len(arm))
    wrong = rng.normal(size=(len(arm), 3))
    score = dr_score(outcome, arm, wrong, np.tile(chances, (len(arm), 1)))
    error = score.std(axis=0) / len(arm) ** 0.5
    assert (np.abs(score.mean(axis=0) - [1.0, 2.0, 4.0]) < 3.0 * error).all()


def test_the_dr_learner_fits_the_difference_of_scores() -> None:
    data = eight_rows()
    recipe = recipe_of(options=Options(n_folds=2))
    fold = assign_folds(data, 2, salt=str(recipe.seed))
    expected = np.array(
        [
            [data.outcome[(fold != own) & (data.arm == arm)].mean() for arm in range(3)]
            for own in fold
        ]
    )
    score = dr_score(data.outcome, data.arm, expected, np.tile([0.5, 0.25, 0.25], (8, 1)))
    effects = (score[:, 1:] - score[:, :1]).mean(axis=0)
    np.testing.assert_allclose(
        answer(fit_dr_learner, data, recipe), [0.25, *(0.25 + effects)], atol=1e-12
    )


@pytest.mark.parametrize("objective", ["binary", "regression"])
def test_a_shift_brings_the_mean_of_the_scores_to_that_of_the_outcomes(
    objective: Objective,
) -> None:
    rng = np.random.default_rng(1)
    score, weight = rng.normal(size=200), rng.uniform(1.0, 3.0, size=200)
    outcome = (rng.random(200) < 0.8).astype(np.float64)
    data = TrainingData(score[:, np.newaxis], np.ones(200, int), outcome, weight / 4, weight=weight)
    shifted = score + average_shift(data, score, objective=objective)
    chance = 1.0 / (1.0 + np.exp(-shifted)) if objective == "binary" else shifted
    assert np.average(chance, weights=weight) == pytest.approx(np.average(outcome, weights=weight))


@pytest.mark.parametrize("happened", [0.0, 1.0])
def test_a_treatment_in_which_all_are_alike_is_not_shifted_to_infinity(happened: float) -> None:
    data = eight_rows(outcome=np.full(8, happened))
    assert average_shift(data, np.zeros(8), objective="binary") == 0.0


def test_without_trees_a_reparametrised_treatment_differs_by_its_average() -> None:
    parameters = {"min_data_in_leaf": 8}
    recipe = recipe_of(LocalTrainer(), objective="binary", parameters=parameters)
    np.testing.assert_allclose(
        answer(fit_reparametrised, eight_rows(), recipe)[:2], [0.25, 0.5], atol=1e-9
    )


def test_the_average_of_a_reparametrised_treatment_is_the_measured_one() -> None:
    rng = np.random.default_rng(1)
    features, arm = rng.normal(size=(3000, 1)), rng.integers(0, 2, 3000)
    chance = 0.2 + 0.5 * arm + 0.1 * np.tanh(features[:, 0])
    outcome = (rng.random(3000) < chance).astype(np.float64)
    data = TrainingData(features, arm, outcome, np.full(3000, 0.5))
    recipe = recipe_of(LocalTrainer(), objective="binary", parameters={"num_leaves": 4}, rounds=5)
    expected = fit_reparametrised(data, 2, recipe).predict(features)
    for number in (0, 1):
        own = arm == number
        assert expected[own, number].mean() == pytest.approx(outcome[own].mean(), abs=0.01)


def test_the_response_model_takes_every_purchase_for_an_effect() -> None:
    assert answer(fit_response, eight_rows()).tolist() == [0.0, 0.5, 0.5]


def test_an_effect_cannot_take_away_more_than_there_is() -> None:
    sleeping = two_arms(
        outcome=np.array([1.0, 0, 0, 0, 0, 0, 0, 0]),
        propensity=np.array([0.25, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]),
    )
    recipe = recipe_of(objective="binary")
    control, treated = answer(fit_transformed_outcome, sleeping, recipe)
    assert (control, treated) == (0.25, 0.0)  # the effect as learned is -1/2
