import math
import subprocess
import sys

import numpy as np
import pytest

from uplift.ensemble import compile_lightgbm
from uplift.ensemble.decisions import CATEGORICAL
from uplift.errors import ConfigError
from uplift.learners.base import Matrix, Objective, Parameters, Vector
from uplift.learners.boosting import CHOICES, LocalTrainer, check_parameters

PARAMETERS: Parameters = {"learning_rate": 0.1, "num_leaves": 7, "feature_fraction": 0.5}


def rows(n_rows: int = 500) -> tuple[Matrix, Vector]:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(n_rows, 4))
    features[:, 3] = rng.integers(0, 6, n_rows)
    outcome = (features[:, 0] + (features[:, 3] % 2) + rng.normal(size=n_rows) > 0.5).astype(float)
    return features, outcome


def train(
    features: Matrix,
    outcome: Vector,
    *,
    trainer: LocalTrainer | None = None,
    weight: Vector | None = None,
    objective: Objective = "binary",
    parameters: Parameters = PARAMETERS,
    categorical: tuple[int, ...] = (3,),
    seed: int = 7,
) -> str:
    return (trainer or LocalTrainer()).train(
        features,
        outcome,
        weight=weight,
        objective=objective,
        parameters=parameters,
        rounds=10,
        categorical=categorical,
        seed=seed,
    )


def test_the_same_rows_give_the_same_text() -> None:
    assert train(*rows()) == train(*rows())


def test_the_number_of_threads_does_not_change_a_tree() -> None:
    texts = [train(*rows(2000), trainer=LocalTrainer(num_threads=n)) for n in (1, 2)]
    assert len({compile_lightgbm(text).digest() for text in texts}) == 1


def test_the_seed_matters() -> None:
    texts = [train(*rows(), seed=seed) for seed in (7, 8)]
    assert len({compile_lightgbm(text).digest() for text in texts}) == 2


def test_training_leaves_its_inputs_alone() -> None:
    features, outcome = rows()
    parameters = dict(PARAMETERS)
    before = (features.tobytes(), outcome.tobytes())
    train(features, outcome, parameters=parameters)
    assert (features.tobytes(), outcome.tobytes()) == before
    assert parameters == PARAMETERS


def test_only_the_named_columns_are_categories() -> None:
    for categorical, expected in (((3,), {3}), ((), set())):
        ensemble = compile_lightgbm(train(*rows(), categorical=categorical))
        is_set = (ensemble.decision & CATEGORICAL) != 0
        assert set(ensemble.feature[is_set].tolist()) == expected


def test_a_weight_says_how_many_rows_a_row_stands_for() -> None:
    features, outcome = np.zeros((40, 1)), np.repeat([0.0, 1.0], 20)
    weight = np.repeat([3.0, 1.0], 20)
    ensemble = compile_lightgbm(train(features, outcome, weight=weight, categorical=()))
    assert math.isclose(ensemble.predict(features)[0, 0], 0.25)


def test_the_regression_answers_with_a_mean() -> None:
    features, outcome = np.zeros((40, 1)), np.repeat([0.0, 50.0], 20)
    text = train(features, outcome, objective="regression", categorical=())
    assert compile_lightgbm(text).predict(features)[0, 0] == 25.0


def test_an_outcome_that_never_happens_is_next_to_impossible() -> None:
    features, outcome = rows()
    ensemble = compile_lightgbm(train(features, 0.0 * outcome))
    assert 0.0 < ensemble.predict(features).max() < 1e-12


def test_a_feature_that_is_never_known_is_not_used() -> None:
    features, outcome = rows()
    features[:, 0] = math.nan
    assert 0 not in compile_lightgbm(train(features, outcome)).feature


def test_a_booster_adds_to_where_the_rows_start_and_does_not_hold_it() -> None:
    features, outcome = rows()
    start = np.full(len(outcome), 2.0)
    text = LocalTrainer().train(
        features,
        outcome + 2.0,
        weight=None,
        objective="regression",
        parameters={"learning_rate": 0.5, "num_leaves": 7},
        rounds=20,
        categorical=(),
        seed=7,
        init_score=start,
    )
    added = compile_lightgbm(text).raw(features)[:, 0]
    assert added.mean() == pytest.approx(outcome.mean(), abs=0.01)
    assert np.corrcoef(added, outcome)[0, 1] > 0.6


def test_the_answer_never_falls_in_an_increasing_column() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(500, 2))
    outcome = features[:, 1] - np.abs(features[:, 0])  # rises and falls in the first column
    grid = np.column_stack([np.linspace(-3.0, 3.0, 50), np.zeros(50)])
    answers = [
        compile_lightgbm(
            LocalTrainer().train(
                features,
                outcome,
                weight=None,
                objective="regression",
                parameters=PARAMETERS,
                rounds=30,
                categorical=(),
                seed=7,
                increasing=increasing,
            )
        ).raw(grid)[:, 0]
        for increasing in ((), (0,))
    ]
    assert np.diff(answers[0]).min() < 0.0 <= np.diff(answers[1]).min()


def test_an_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"1 of 2 keys .* `num_leafs` is unknown, .*`num_leaves`"):
        check_parameters({"num_leafs": 7, "learning_rate": 0.1})


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_leaves", 7.5), ("num_leaves", True), ("learning_rate", "fast"), ("extra_trees", 1)],
)
def test_a_value_of_another_type_is_refused(name: str, value: bool | float | str) -> None:
    with pytest.raises(ConfigError, match=f"`{name}` = {value!r} is no {CHOICES[name].__name__}"):
        check_parameters({name: value})


@pytest.mark.parametrize("name", ["objective", "seed", "num_threads", "linear_tree", "boosting"])
def test_what_the_trainer_sets_itself_cannot_be_chosen(name: str) -> None:
    with pytest.raises(ConfigError, match=f"`{name}` is unknown"):
        train(*rows(), parameters={name: 1})


def test_a_value_that_lightgbm_refuses_names_the_section() -> None:
    with pytest.raises(ConfigError, match=r"LightGBM refuses .*num_leaves.*`training.booster`"):
        train(*rows(), parameters={"num_leaves": 1})


def test_every_choice_is_a_parameter_of_lightgbm() -> None:
    text = train(*rows())
    assert [name for name in CHOICES if f"\n[{name}: " not in text] == []


def test_importing_the_trainer_does_not_import_lightgbm() -> None:
    probe = "import sys, uplift.learners.fit, uplift.learners.boosting; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert "lightgbm" not in done.stdout.split()
