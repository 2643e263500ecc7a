"""Every family learns the same from shares that lie with peers as from all rows in one place."""

from functools import cache

import numpy as np
import pytest

from tests.learners.builders import recipe_of, share_of, together
from uplift.errors import OverlapError
from uplift.learners.base import Objective, Parameters
from uplift.learners.boosting import LocalTrainer
from uplift.learners.data import TrainingData
from uplift.learners.families import FAMILIES, FORESTS
from uplift.learners.recipe import Options
from uplift.learners.together import PeerTrainer

N_ROWS = 1500
PARAMETERS: Parameters = {
    "num_leaves": 4,
    "learning_rate": 0.3,
    "min_data_in_leaf": 1,
    "min_sum_hessian_in_leaf": 20.0,
    "min_data_per_group": 1,
    "cat_smooth": 0.0,  # also the least rows of a category
}


@cache
def log_of(*, is_weighted: bool, chances: str = "by arm") -> TrainingData:
    """Two numbers (one with gaps) and a category; two rows per randomisation unit."""
    rng = np.random.default_rng(3)
    features = rng.normal(size=(N_ROWS, 3))
    features[:, 2] = rng.integers(0, 5, N_ROWS)
    features[rng.random(N_ROWS) < 0.1, 0] = np.nan
    shares = np.tile([0.5, 0.3, 0.2], (N_ROWS, 1))
    if chances == "by unit":
        shares[features[:, 1] > 0.0] = [0.2, 0.3, 0.5]
    arm = (rng.random(N_ROWS)[:, np.newaxis] > shares.cumsum(axis=1)).sum(axis=1)
    chance = 0.3 + 0.1 * arm * (features[:, 1] > 0.0) + 0.1 * (features[:, 2] == 1.0)
    return TrainingData(
        features,
        arm,
        (rng.random(N_ROWS) < chance).astype(np.float64),
        shares[np.arange(N_ROWS), arm],
        weight=rng.uniform(1.0, 2.0, N_ROWS) if is_weighted else None,
        cluster=np.array([f"u{number // 2}" for number in range(N_ROWS)], dtype=object),
        propensities=shares if chances == "by unit" else None,
    )


def assert_same(
    learner: str, data: TrainingData, objective: Objective, options: Options | None = None
) -> None:
    def answer(rows: TrainingData, trainer: LocalTrainer | PeerTrainer) -> np.ndarray:
        recipe = recipe_of(
            trainer,
            objective=objective,
            parameters=PARAMETERS,
            rounds=5,
            categorical=(2,),
            options=options or Options(n_folds=2),
        )
        return FAMILIES[learner](rows, 3, recipe).predict(data.features)

    alone = answer(data, LocalTrainer())
    assert np.ptp(alone[:, 1] - alone[:, 0]) > 0.01
    for ours in together(3, lambda peers: answer(share_of(data, peers), PeerTrainer(peers))):
        np.testing.assert_allclose(ours, alone, atol=1e-6)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("learner", [name for name in FAMILIES if name not in FORESTS])
def test_a_conversion(learner: str, is_weighted: bool) -> None:
    assert_same(learner, log_of(is_weighted=is_weighted), "binary")


@pytest.mark.parametrize("learner", ["t_learner", "reparametrised", "x_learner", "r_learner"])
def test_a_mean(learner: str) -> None:
    assert_same(learner, log_of(is_weighted=False), "regression")


@pytest.mark.parametrize("learner", ["x_learner", "r_learner", "dr_learner", "transformed_outcome"])
def test_chances_of_every_arm(learner: str) -> None:
    assert_same(learner, log_of(is_weighted=True, chances="by unit"), "binary")


def test_face_values() -> None:
    options = Options(face_values=(0.0, 5.0, 10.0), monotone=True)
    assert_same("s_learner", log_of(is_weighted=False), "binary", options)


def test_a_method_that_the_log_does_not_allow_is_refused_by_all() -> None:
    data = log_of(is_weighted=False, chances="by unit")
    with pytest.raises(OverlapError, match="needs one chance per arm"):
        assert_same("class_transformation", data, "binary")
