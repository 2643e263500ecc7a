"""Against causalml: the same T-learner from the same boosters."""

import numpy as np
import pytest

from uplift.learners.base import Matrix, Objective
from uplift.learners.boosting import LocalTrainer
from uplift.learners.data import TrainingData
from uplift.learners.meta import fit_t_learner

ARMS = ("no_coupon", "coupon_5", "coupon_10")
ROUNDS, SEED = 30, 7
PARAMETERS = {"learning_rate": 0.1, "num_leaves": 15, "min_data_in_leaf": 20, "lambda_l2": 1.0}


def campaign() -> TrainingData:
    rng = np.random.default_rng(4)
    features = rng.normal(size=(3000, 5))
    arm = rng.integers(0, 3, len(features))
    chance = 0.2 + 0.1 * (arm == 1) * (features[:, 0] > 0) + 0.3 * (arm == 2) * (features[:, 1] > 0)
    outcome = (rng.random(len(features)) < chance).astype(np.float64)
    return TrainingData(features, arm, outcome, np.full(len(features), 1 / 3))


def theirs(data: TrainingData, objective: Objective) -> Matrix:
    """Effects of coupon_5 and coupon_10; causalml itself sorts the arms by name."""
    from causalml.inference.meta import BaseTClassifier, BaseTRegressor
    from lightgbm import LGBMClassifier, LGBMRegressor

    booster, learner = {
        "binary": (LGBMClassifier, BaseTClassifier),
        "regression": (LGBMRegressor, BaseTRegressor),
    }[objective]
    settings = {"n_estimators": ROUNDS, "n_jobs": 1, "verbosity": -1, **PARAMETERS}
    fitted = learner(
        learner=booster(random_state=SEED, deterministic=True, force_row_wise=True, **settings),
        control_name=ARMS[0],
    )
    names = np.array(ARMS)[data.arm]
    fitted.fit(X=data.features, treatment=names, y=data.outcome)
    effects = fitted.predict(X=data.features, treatment=names, y=data.outcome, verbose=False)
    assert fitted.t_groups.tolist() == ["coupon_10", "coupon_5"]
    return np.asarray(effects)[:, [list(fitted.t_groups).index(name) for name in ARMS[1:]]]


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["binary", "regression"])
def test_our_effects_are_those_of_causalml(objective: Objective) -> None:
    data = campaign()
    ours = fit_t_learner(
        data,
        len(ARMS),
        LocalTrainer(),
        objective=objective,
        parameters=PARAMETERS,
        rounds=ROUNDS,
        categorical=(),
        seed=SEED,
        min_arm_rows=100,
    ).predict(data.features)
    np.testing.assert_allclose(
        ours[:, 1:] - ours[:, :1], theirs(data, objective), rtol=0, atol=1e-9
    )
