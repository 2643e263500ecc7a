"""Against causalml: the same algebra from the same boosters and, where it cross-fits, folds."""

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.model_selection import KFold, StratifiedKFold

from uplift.learners.base import Matrix, Objective
from uplift.learners.boosting import LocalTrainer
from uplift.learners.data import TrainingData
from uplift.learners.dr_learner import dr_score
from uplift.learners.meta import fit_t_learner
from uplift.learners.nuisance import assign_folds
from uplift.learners.r_learner import fit_r_learner
from uplift.learners.recipe import Learner, Options, Recipe
from uplift.learners.s_learner import fit_s_learner
from uplift.learners.x_learner import fit_x_learner

pytestmark = pytest.mark.slow

ARMS = ("no_coupon", "coupon_5", "coupon_10")
ROUNDS, SEED, N_FOLDS = 30, 7, 3
PARAMETERS = {"learning_rate": 0.1, "num_leaves": 15, "min_data_in_leaf": 20, "lambda_l2": 1.0}


def campaign(*, n_arms: int = 3, n_rows: int = 3000) -> TrainingData:
    rng = np.random.default_rng(4)
    features = rng.normal(size=(n_rows, 5))
    arm = rng.integers(0, n_arms, n_rows)
    chance = 0.2 + 0.1 * (arm == 1) * (features[:, 0] > 0) + 0.3 * (arm == 2) * (features[:, 1] > 0)
    outcome = (rng.random(n_rows) < chance).astype(np.float64)
    return TrainingData(features, arm, outcome, np.full(n_rows, 1 / n_arms))


def recipe(objective: Objective, options: Options | None = None) -> Recipe:
    return Recipe(
        trainer=LocalTrainer(),
        objective=objective,
        parameters=PARAMETERS,
        rounds=ROUNDS,
        categorical=(),
        seed=SEED,
        min_arm_rows=100,
        options=options or Options(n_folds=N_FOLDS),
    )


def our_effects(
    learner: Learner, data: TrainingData, objective: Objective, options: Options | None = None
) -> Matrix:
    """Of the sums of leaves where those are outcomes: nothing is cut at 0 or 1 there."""
    ensemble = learner(data, int(data.arm.max()) + 1, recipe(objective, options))
    is_sum = ensemble.link == "clipped"
    answer = ensemble.raw(data.features) if is_sum else ensemble.predict(data.features)
    return answer[:, 1:] - answer[:, :1]


def booster(objective: Objective) -> object:
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMClassifier if objective == "binary" else LGBMRegressor
    settings = {"n_estimators": ROUNDS, "n_jobs": 1, "verbosity": -1, **PARAMETERS}
    return kind(random_state=SEED, deterministic=True, force_row_wise=True, **settings)


def in_our_order(effects: Matrix, groups: Sequence[str]) -> Matrix:
    """causalml sorts arms by name, which puts coupon_10 before coupon_5."""
    assert list(groups) == sorted(groups)
    return np.asarray(effects)[:, [list(groups).index(arm) for arm in ARMS[1:] if arm in groups]]


@pytest.mark.parametrize("objective", ["binary", "regression"])
def test_the_t_learner_is_that_of_causalml(objective: Objective) -> None:
    from causalml.inference.meta import BaseTClassifier, BaseTRegressor

    data = campaign()
    names = np.array(ARMS)[data.arm]
    kind = BaseTClassifier if objective == "binary" else BaseTRegressor
    fitted = kind(learner=booster(objective), control_name=ARMS[0])
    fitted.fit(X=data.features, treatment=names, y=data.outcome)
    theirs = fitted.predict(X=data.features, treatment=names, y=data.outcome, verbose=False)
    np.testing.assert_allclose(
        our_effects(fit_t_learner, data, objective),
        in_our_order(theirs, fitted.t_groups),
        rtol=0,
        atol=1e-9,
    )


@pytest.mark.parametrize("objective", ["binary", "regression"])
def test_the_s_learner_is_that_of_causalml(objective: Objective) -> None:
    from causalml.inference.meta import BaseSClassifier, BaseSRegressor

    data = campaign(n_arms=2)
    names = np.array(ARMS)[data.arm]
    kind = BaseSClassifier if objective == "binary" else BaseSRegressor
    fitted = kind(learner=booster(objective), control_name=ARMS[0])
    fitted.fit(X=data.features, treatment=names, y=data.outcome)
    theirs = fitted.predict(X=data.features, treatment=names, y=data.outcome, verbose=False)
    ours = our_effects(fit_s_learner, data, objective, Options(face_values=(0.0, 1.0)))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("objective", ["binary", "regression"])
def test_the_x_learner_is_that_of_causalml(objective: Objective) -> None:
    from causalml.inference.meta import BaseXClassifier, BaseXRegressor

    data = campaign()
    names = np.array(ARMS)[data.arm]
    if objective == "binary":
        fitted = BaseXClassifier(
            outcome_learner=booster("binary"),
            effect_learner=booster("regression"),
            control_name=ARMS[0],
        )
    else:
        fitted = BaseXRegressor(learner=booster("regression"), control_name=ARMS[0])
    half = {arm: np.full(data.n_rows, 0.5) for arm in ARMS[1:]}
    fitted.fit(X=data.features, treatment=names, y=data.outcome, p=half)
    theirs = fitted.predict(X=data.features, p=half, verbose=False)
    np.testing.assert_allclose(
        our_effects(fit_x_learner, data, objective),
        in_our_order(theirs, fitted.t_groups),
        rtol=0,
        atol=1e-9,
    )


def test_the_r_learner_is_that_of_causalml() -> None:
    from causalml.inference.meta import BaseRRegressor

    data = campaign(n_arms=2)
    fitted = BaseRRegressor(
        learner=booster("regression"),
        control_name=0,
        n_fold=N_FOLDS,
        random_state=SEED,
    )
    fitted.cv_n_jobs = 1
    half = np.full(data.n_rows, 0.5)
    fitted.fit(X=data.features, treatment=data.arm, y=data.outcome, p=half, verbose=False)
    theirs = fitted.predict(X=data.features)

    splits = StratifiedKFold(n_splits=N_FOLDS, shuffle=True, random_state=SEED)
    fold = np.empty(data.n_rows, dtype=np.int64)
    for number, (_, held_out) in enumerate(splits.split(data.features, data.arm)):
        fold[held_out] = number
    ours = our_effects(fit_r_learner, in_folds(data, fold), "regression")
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def in_folds(data: TrainingData, fold: np.ndarray) -> TrainingData:
    """The rows in randomisation units that we put into the wanted folds."""
    columns = {"features": data.features, "arm": data.arm, "outcome": data.outcome}
    columns["propensity"] = data.propensity
    names = np.array([f"c{number}" for number in range(data.n_rows)], dtype=object)
    falls_into = assign_folds(TrainingData(**columns, cluster=names), N_FOLDS, salt=str(SEED))
    name_of = np.array([names[falls_into == number][0] for number in range(N_FOLDS)])
    moved = TrainingData(**columns, cluster=name_of[fold])
    assert (assign_folds(moved, N_FOLDS, salt=str(SEED)) == fold).all()
    return moved


def test_the_doubly_robust_score_is_that_of_causalml() -> None:
    """causalml rotates three folds: helpers from one, effects from another, and then averages."""
    from causalml.inference.meta import BaseDRRegressor

    data = campaign(n_arms=2)
    fitted = BaseDRRegressor(learner=booster("regression"), control_name=0)
    half = np.full(data.n_rows, 0.5)
    fitted.fit(X=data.features, treatment=data.arm, y=data.outcome, p=half, seed=SEED)
    theirs = fitted.predict(X=data.features, verbose=False)

    fit = recipe("regression").mean_model
    splits = [held for _, held in KFold(3, shuffle=True, random_state=SEED).split(data.outcome)]
    effects = []
    for number in range(3):
        helpers, rows = splits[(number + 1) % 3], splits[(number + 2) % 3]
        expected = np.column_stack(
            [
                fit(data.features[drawn], data.outcome[drawn], None).predict(data.features[rows])
                for drawn in (helpers[data.arm[helpers] == arm] for arm in (0, 1))
            ]
        )
        score = dr_score(data.outcome[rows], data.arm[rows], expected, np.full((len(rows), 2), 0.5))
        model = fit(data.features[rows], score[:, 1] - score[:, 0], None)
        effects.append(model.predict(data.features))
    np.testing.assert_allclose(np.mean(effects, axis=0), theirs, rtol=0, atol=1e-9)
