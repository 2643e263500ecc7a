"""Refits on parts of the rows: each test by rows that its model and its choice had not seen."""

import numpy as np

from uplift.columns import CONVERSION
from uplift.config import Evaluation
from uplift.learners.boosting import LocalTrainer
from uplift.learners.data import TrainingData
from uplift.learners.fit import Plan
from uplift.learners.nuisance import assign_folds
from uplift.selection.refits import SequentialTests, halves, sequential_tests

HOW = Evaluation(replicates=40, blocks=50, level=0.95, seed=1)


def plan(learner: str = "t_learner") -> Plan:
    parameters = {"num_leaves": 4, "min_data_in_leaf": 50}
    return Plan(LocalTrainer(num_threads=1), parameters, rounds=10, seed=1, learner=learner)


def log(n: int = 4000) -> TrainingData:
    """Households of two; those who would not buy are moved a lot."""
    rng = np.random.default_rng(1)
    features, household = rng.normal(size=(n, 2)), np.arange(n) // 2
    arm = rng.integers(0, 2, n // 2)[household]
    loyal = features[:, 0] > 0
    outcome = (rng.random(n) < np.where(loyal, 0.6, 0.1) + 0.3 * arm * ~loyal).astype(float)
    cluster = np.array([f"h{number}" for number in household], dtype=object)
    return TrainingData(features, arm, outcome, np.full(n, 0.5), cluster=cluster)


def sequence(data: TrainingData, plans: dict[str, Plan], *, n_folds: int = 3) -> SequentialTests:
    return sequential_tests(
        plans, data, CONVERSION, 2, categorical=(), n_folds=n_folds, salt="s", how=HOW
    )


def test_every_part_but_the_first_is_ranked_by_a_model_of_those_before() -> None:
    data = log()
    found = sequence(data, {"t_learner": plan()})
    sizes = np.bincount(assign_folds(data, 3, salt="s"))
    assert [part[0].rows for part in found.tests] == sizes[1:].tolist()
    assert all(part[0].z > 3 for part in found.tests)
    assert sequence(data, {"t_learner": plan()}, n_folds=1).tests == ()


def test_rows_of_a_later_part_change_no_earlier_test() -> None:
    data = log()
    last = assign_folds(data, 3, salt="s") == 2
    spoiled = np.where(last, 1.0 - data.outcome, data.outcome)
    other = TrainingData(data.features, data.arm, spoiled, data.propensity, cluster=data.cluster)
    plans = {"t_learner": plan()}
    assert sequence(data, plans).tests[0] == sequence(other, plans).tests[0]
    assert sequence(data, plans).tests[1] != sequence(other, plans).tests[1]


def test_the_simplest_is_tested_first_then_whoever_has_ranked_best() -> None:
    plans = {"response": plan("response"), "t_learner": plan()}
    assert sequence(log(), plans).picked == ("response", "t_learner")


def test_a_part_too_small_to_learn_from_makes_no_test() -> None:
    found = sequence(log(700), {"t_learner": plan()})
    assert len(found.tests) == 2
    assert len(sequence(log(500), {"t_learner": plan()}).tests) == 1


def test_halves_are_apart_and_keep_households_whole() -> None:
    data = log()
    one, other = halves(data, salt="s")
    assert (one ^ other).all()
    assert data.cluster is not None
    assert not set(data.cluster[one]) & set(data.cluster[other])
    assert abs(one.mean() - 0.5) < 3 * np.sqrt(0.25 / 2000)
