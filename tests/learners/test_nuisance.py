import numpy as np
import pytest

from tests.learners.builders import eight_rows, recipe_of
from uplift.errors import ExperimentError, OverlapError
from uplift.learners.data import TrainingData
from uplift.learners.nuisance import (
    against_control,
    assign_folds,
    cross_fitted_mean,
    cross_fitted_outcomes,
    known_propensities,
)
from uplift.learners.recipe import Options


def households(n_units: int = 300, size: int = 3) -> TrainingData:
    """Everybody in a household drew the same arm; half of the households each."""
    n_rows = n_units * size
    unit = np.repeat(np.arange(n_units), size)
    return TrainingData(
        features=np.zeros((n_rows, 1)),
        arm=unit % 2,
        outcome=np.random.default_rng(1).normal(size=n_rows),
        propensity=np.full(n_rows, 0.5),
        cluster=np.array([f"h{number}" for number in unit], dtype=object),
    )


def test_a_randomisation_unit_lies_in_one_fold_with_all_its_rows() -> None:
    fold = assign_folds(households(), 5, salt="1").reshape(-1, 3)
    assert (fold == fold[:, :1]).all()


def test_folds_are_about_equal() -> None:
    counts = np.bincount(assign_folds(households(3000, 1), 5, salt="1"))
    assert len(counts) == 5
    np.testing.assert_allclose(counts, 600, atol=4 * (600 * 0.8) ** 0.5)  # 4 standard errors


def test_a_fold_follows_the_unit_wherever_its_row_stands() -> None:
    data = households()
    order = np.random.default_rng(2).permutation(data.n_rows)
    assert data.cluster is not None
    moved = TrainingData(
        data.features, data.arm[order], data.outcome, data.propensity, cluster=data.cluster[order]
    )
    fold = assign_folds(data, 5, salt="1")
    assert (assign_folds(moved, 5, salt="1") == fold[order]).all()


def test_another_salt_gives_other_folds() -> None:
    data = households()
    same = assign_folds(data, 5, salt="1") == assign_folds(data, 5, salt="2")
    assert 0.1 < same.mean() < 0.3  # a fifth by chance


def test_rows_without_a_name_are_units_of_their_own() -> None:
    assert set(assign_folds(eight_rows(), 2, salt="1")) == {0, 1}


def test_a_helper_has_not_seen_the_rows_it_answers_for() -> None:
    data = households()
    recipe = recipe_of(options=Options(n_folds=3))
    fold = assign_folds(data, 3, salt=str(recipe.seed))
    expected = cross_fitted_outcomes(data, 2, recipe)
    mean = cross_fitted_mean(data, 2, recipe)
    for number in range(3):
        outside = fold != number
        for arm in (0, 1):
            own = expected[~outside, arm]
            assert own == pytest.approx(data.outcome[outside & (data.arm == arm)].mean())
        assert mean[~outside] == pytest.approx(data.outcome[outside].mean())


def test_helpers_heed_weights() -> None:
    data = eight_rows(weight=np.array([1.0, 1.0, 1.0, 5.0, 1.0, 1.0, 1.0, 1.0]))
    recipe = recipe_of(options=Options(n_folds=2))
    fold = assign_folds(data, 2, salt=str(recipe.seed))
    outside = (fold != fold[0]) & (data.arm == 0)
    assert data.weight is not None
    answer = cross_fitted_outcomes(data, 3, recipe)[0, 0]
    assert answer == pytest.approx(np.average(data.outcome[outside], weights=data.weight[outside]))


def test_an_arm_that_one_unit_alone_drew_cannot_be_cross_fitted() -> None:
    units = np.array(["a", "b", "c", "d", "e", "e", "f", "g"], dtype=object)
    with pytest.raises(ExperimentError, match=r"arm 1 has all its rows in one of 2 folds"):
        cross_fitted_outcomes(eight_rows(cluster=units), 3, recipe_of(options=Options(n_folds=2)))


def test_chances_that_depend_on_the_arm_alone_tell_all_of_them() -> None:
    chances = known_propensities(eight_rows(), 3)
    assert chances.tolist() == [[0.5, 0.25, 0.25]] * 8


def test_arms_that_were_left_out_of_the_log_are_left_out_of_the_chances() -> None:
    data = eight_rows().where(eight_rows().arm < 2)
    np.testing.assert_allclose(known_propensities(data, 2), [[2 / 3, 1 / 3]] * 6)


def test_of_two_arms_the_other_has_the_rest() -> None:
    data = eight_rows(
        arm=np.array([0, 1, 0, 1, 0, 1, 0, 1]),
        propensity=np.array([0.75, 0.25, 0.75, 0.25, 0.5, 0.5, 0.5, 0.5]),
    )
    assert known_propensities(data, 2).tolist() == [[0.75, 0.25]] * 4 + [[0.5, 0.5]] * 4


def test_chances_of_all_arms_are_taken_as_given() -> None:
    chances = np.tile([0.5, 0.25, 0.25], (8, 1))
    assert known_propensities(eight_rows(propensities=chances), 3) is chances


def test_chances_of_other_arms_are_refused() -> None:
    chances = np.tile([0.5, 0.25, 0.25], (8, 1))
    with pytest.raises(OverlapError, match="chances of 3 arms for 4 arms"):
        known_propensities(eight_rows(propensities=chances), 4)


def test_varying_chances_of_three_arms_must_be_logged() -> None:
    uneven = np.array([0.4, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25])
    with pytest.raises(OverlapError, match=r"between 0\.25 and 0\.5 .*`propensities`"):
        known_propensities(eight_rows(propensity=uneven), 3)


def test_chances_of_more_than_one_together_are_refused() -> None:
    with pytest.raises(OverlapError, match=r"\[0\.6, 0\.6, 0\.6\], more than 1 together"):
        known_propensities(eight_rows(propensity=np.full(8, 0.6)), 3)


def test_an_arm_that_was_certain_teaches_nothing_about_the_other() -> None:
    data = eight_rows(
        arm=np.array([0, 1, 0, 1, 0, 1, 0, 1]),
        propensity=np.array([1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]),
    )
    with pytest.raises(OverlapError, match="certain in 1 of 8 rows"):
        known_propensities(data, 2)


def test_a_pair_of_arms_has_its_own_chances() -> None:
    chances = np.array([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]])
    np.testing.assert_allclose(against_control(chances, 2), [1 / 3, 3 / 4])
