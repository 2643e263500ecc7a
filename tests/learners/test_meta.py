import math

import numpy as np
import pytest

from tests.learners.builders import eight_rows, recipe_of
from uplift.ensemble import FlatEnsemble
from uplift.errors import ContractError, ExperimentError
from uplift.learners.base import Objective
from uplift.learners.data import TrainingData
from uplift.learners.meta import fit_constant, fit_t_learner

ANYBODY = np.zeros((1, 2))


def t_learner(
    data: TrainingData,
    *,
    n_arms: int = 3,
    objective: Objective = "regression",
    min_arm_rows: int = 1,
) -> FlatEnsemble:
    return fit_t_learner(data, n_arms, recipe_of(objective=objective, min_arm_rows=min_arm_rows))


@pytest.mark.parametrize("objective", ["binary", "regression"])
def test_output_k_is_learned_from_the_rows_of_arm_k(objective: Objective) -> None:
    data = TrainingData(
        features=np.zeros((12, 2)),
        arm=np.repeat([2, 0, 1], 4),
        outcome=np.array([1.0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0]),
        propensity=np.full(12, 1 / 3),
    )
    answer = t_learner(data, objective=objective).predict(ANYBODY)[0]
    np.testing.assert_allclose(answer, [0.5, 0.75, 0.25])


def test_a_weight_stays_with_its_row() -> None:
    weight = np.array([1.0, 1.0, 1.0, 3.0, 1.0, 3.0, 5.0, 5.0])
    assert t_learner(eight_rows(weight=weight)).predict(ANYBODY).tolist() == [[0.5, 0.75, 1.0]]


def test_the_propensity_does_not_enter_a_t_learner() -> None:
    uneven = np.array([0.9, 0.1, 0.1, 0.9, 0.9, 0.1, 0.5, 0.5])
    assert t_learner(eight_rows(propensity=uneven)).digest() == t_learner(eight_rows()).digest()


def test_an_arm_with_too_few_rows_is_not_learned() -> None:
    with pytest.raises(ExperimentError, match="arm 1 has 2 of 8"):
        t_learner(eight_rows(), min_arm_rows=3)


def test_a_binary_objective_wants_a_binary_outcome() -> None:
    with pytest.raises(ContractError, match=r"conversion is 7\.0 in 1 of 8"):
        t_learner(eight_rows(outcome=np.array([0, 0, 0, 1, 0, 1, 1, 7.0])), objective="binary")


def test_the_constant_learner_answers_the_arm_means() -> None:
    assert fit_constant(eight_rows(), n_arms=3).predict(ANYBODY).tolist() == [[0.25, 0.5, 1.0]]


def test_the_constant_learner_counts_a_rare_draw_for_more() -> None:
    # Arm 0 was drawn with chance 0.8 for the first two rows, 0.2 for the others: the weights are
    # 1.25, 1.25, 5, 5, so the mean is 5 / 12.5.
    propensity = np.array([0.8, 0.8, 0.2, 0.2, 0.5, 0.5, 0.5, 0.5])
    answer = fit_constant(eight_rows(propensity=propensity), n_arms=3).predict(ANYBODY)[0]
    np.testing.assert_allclose(answer, [0.4, 0.5, 1.0])


def test_the_constant_learner_heeds_weights() -> None:
    weight = np.array([1.0, 1.0, 1.0, 3.0, 1.0, 3.0, 5.0, 5.0])
    answer = fit_constant(eight_rows(weight=weight), n_arms=3).predict(ANYBODY)[0]
    assert answer.tolist() == [0.5, 0.75, 1.0]


def test_the_constant_learner_needs_every_arm() -> None:
    with pytest.raises(ExperimentError, match="arm 3 has 0 of 8"):
        fit_constant(eight_rows(), n_arms=4)


def test_the_constant_learner_ignores_features() -> None:
    rows = np.array([[math.nan, 1.0], [5.0, -1.0]])
    answers = fit_constant(eight_rows(), n_arms=3).predict(rows)
    assert answers[0].tolist() == answers[1].tolist()
