"""What every family keeps: shapes, weights, the order of arms, missing values, bad input."""

from typing import get_args

import numpy as np
import pytest
from _pytest.mark.structures import ParameterSet

from tests.learners.builders import recipe_of
from uplift.config.training import Candidate
from uplift.ensemble import FlatEnsemble
from uplift.errors import ContractError, ExperimentError
from uplift.learners.base import Objective, Parameters
from uplift.learners.boosting import LocalTrainer
from uplift.learners.data import TrainingData
from uplift.learners.families import FAMILIES, RESPONSE
from uplift.learners.recipe import CausalmlSettings, Options, Recipe

PARAMETERS: Parameters = {"learning_rate": 0.2, "num_leaves": 4, "min_data_in_leaf": 20}
SMALL = CausalmlSettings(n_trees=3, max_depth=3, min_leaf_rows=60, min_arm_rows=20)
CONVERSION_ONLY = {"class_transformation", "uplift_forest"}
OF_CAUSALML = ("uplift_forest", "causalml_causal_forest")


def case(*values: str) -> ParameterSet:
    """A case of a test whose first value is a family; causalml is slow to import."""
    return pytest.param(*values, marks=[pytest.mark.slow] if values[0] in OF_CAUSALML else [])


def families(*without: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", [case(name) for name in FAMILIES if name not in without])


def both_kinds(*without: str) -> pytest.MarkDecorator:
    kinds = [(name, "binary") for name in FAMILIES]
    kinds += [(name, "regression") for name in FAMILIES if name not in CONVERSION_ONLY]
    cases = [case(name, objective) for name, objective in kinds if name not in without]
    return pytest.mark.parametrize(("name", "objective"), cases)


every_family = families()


def recipe(objective: Objective = "binary", *, min_arm_rows: int = 100) -> Recipe:
    return recipe_of(
        LocalTrainer(),
        objective=objective,
        parameters=PARAMETERS,
        rounds=5,
        categorical=[2],
        min_arm_rows=min_arm_rows,
        options=Options(n_folds=2, causalml=SMALL),
    )


def log(n_arms: int = 3, n_rows: int = 900, *, seed: int = 1) -> TrainingData:
    """A number, one that is often missing, a category, and one that is the same for everybody."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_rows, 4))
    features[rng.random(n_rows) < 0.3, 1] = np.nan
    features[:, 2] = rng.integers(0, 4, n_rows)
    features[:, 3] = 7.0
    arm = rng.permutation(np.arange(n_rows) % n_arms)
    chance = 0.2 + 0.2 * arm * (features[:, 0] > 0) + 0.2 * (features[:, 2] == 1)
    outcome = (rng.random(n_rows) < chance).astype(np.float64)
    cluster = np.array([f"u{number}" for number in range(n_rows)], dtype=object)
    return TrainingData(features, arm, outcome, np.full(n_rows, 1 / n_arms), cluster=cluster)


def fit(name: str, data: TrainingData, own: Recipe) -> FlatEnsemble:
    return FAMILIES[name](data, int(data.arm.max()) + 1, own)


def test_the_config_knows_every_family_but_the_baseline() -> None:
    allowed = get_args(Candidate.model_fields["learner"].annotation)
    assert list(allowed) == [name for name in FAMILIES if name != RESPONSE]


@every_family
@pytest.mark.parametrize("n_arms", [2, 3, 4])
def test_there_is_one_chance_per_arm_from_the_features_alone(name: str, n_arms: int) -> None:
    data = log(n_arms)
    ensemble = fit(name, data, recipe())
    assert (ensemble.n_outputs, ensemble.n_features) == (n_arms, 4)
    expected = ensemble.predict(data.features)
    assert ((expected >= 0.0) & (expected <= 1.0)).all()
    assert expected.std(axis=0).min() > 0.0 or name == RESPONSE


@both_kinds()
def test_the_same_rows_give_the_same_trees_and_stay_as_they_were(
    name: str, objective: Objective
) -> None:
    data = log()
    before = [data.features.tobytes(), data.arm.tobytes(), data.outcome.tobytes()]
    digests = {fit(name, data, recipe(objective)).digest() for _ in range(2)}
    assert len(digests) == 1
    assert [data.features.tobytes(), data.arm.tobytes(), data.outcome.tobytes()] == before


@both_kinds(*OF_CAUSALML)  # whose bootstrap draws rows, not weights
def test_a_row_of_weight_two_is_two_rows(name: str, objective: Objective) -> None:
    data = log(n_rows=600)
    twice = np.random.default_rng(2).random(data.n_rows) < 0.5
    rows = np.repeat(np.arange(data.n_rows), 1 + twice)
    assert data.cluster is not None
    columns = (data.features, data.arm, data.outcome, data.propensity)
    weighted = TrainingData(*columns, weight=1.0 + twice, cluster=data.cluster)
    repeated = TrainingData(*(column[rows] for column in columns), cluster=data.cluster[rows])
    # Means of different bins aside: whole arms, without a split.
    own = recipe_of(
        LocalTrainer(),
        objective=objective,
        parameters={"min_data_in_leaf": 10_000},
        options=Options(n_folds=2),
    )
    answers = [fit(name, part, own).predict(data.features[:1]) for part in (weighted, repeated)]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-9)


@families("s_learner", "causalml_causal_forest")  # whose halves are drawn arm by arm
def test_arms_keep_their_order_whatever_their_numbers(name: str) -> None:
    data = log()
    swapped = TrainingData(
        data.features,
        np.array([0, 2, 1])[data.arm],
        data.outcome,
        data.propensity,
        cluster=data.cluster,
    )
    ours = fit(name, data, recipe()).predict(data.features)
    theirs = fit(name, swapped, recipe()).predict(data.features)
    np.testing.assert_allclose(theirs, ours[:, [0, 2, 1]], rtol=0, atol=1e-12)


@families(RESPONSE)
def test_the_larger_coupon_is_seen_as_the_larger(name: str) -> None:
    data = log(n_rows=3000)
    expected = fit(name, data, recipe()).predict(data.features)
    assert (np.diff(expected[data.features[:, 0] > 0].mean(axis=0)) > 0.05).all()


@every_family
def test_what_is_unknown_or_unseen_is_answered_all_the_same(name: str) -> None:
    rows = np.array([[np.nan] * 4, [0.0, 0.0, 99.0, 7.0], [1e300, -1e300, -1.0, 8.0]])
    expected = fit(name, log(), recipe()).predict(rows)
    assert np.isfinite(expected).all()


@every_family
def test_an_arm_of_three_rows_is_no_arm(name: str) -> None:
    data = log()
    kept = data.where((data.arm < 2) | (np.cumsum(data.arm == 2) <= 3))
    with pytest.raises(ExperimentError, match="arm 2 has 3 of 603 training rows"):
        fit(name, kept, recipe())


@every_family
def test_an_arm_that_the_campaign_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(ContractError, match=r"arm 2 occurs .* the campaign has arms 0 to 1"):
        FAMILIES[name](log(3), 2, recipe())


@every_family
def test_a_chance_is_learned_from_yes_or_no(name: str) -> None:
    data = log()
    halves = TrainingData(data.features, data.arm, data.outcome / 2, data.propensity)
    with pytest.raises(ContractError, match=r"conversion is 0\.5"):
        fit(name, halves, recipe())


@every_family
def test_a_matrix_of_other_columns_is_refused(name: str) -> None:
    data = log()
    with pytest.raises(ContractError, match=r"shape \(n, 4\)"):
        fit(name, data, recipe()).predict(data.features[:, :3].copy())


# A class transformation would learn the arms themselves: its class is then "drew control".
@families("class_transformation")
def test_an_outcome_that_never_happens_has_no_effect(name: str) -> None:
    data = log()
    never = TrainingData(
        data.features, data.arm, 0.0 * data.outcome, data.propensity, cluster=data.cluster
    )
    expected = fit(name, never, recipe()).predict(data.features)
    np.testing.assert_allclose(expected, 0.0, atol=1e-6)
