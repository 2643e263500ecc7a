"""The learner and its bundle: beside causalml with the same boosters, and LightGBM's own file."""

import hashlib
from functools import cache
from pathlib import Path

import lightgbm
import numpy as np

from tests.benchmarks.conftest import Bench
from uplift.arms import Arms
from uplift.columns import CONVERSION
from uplift.features.encoder import fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.learners.base import Matrix, Vector
from uplift.learners.boosting import LocalTrainer
from uplift.learners.fit import Plan, fit_model
from uplift.learners.model import UpliftModel, load_model

N_ROWS, N_FEATURES, ROUNDS, SEED = 30_000, 20, 300, 7
ARMS = Arms(("a_control", "b_coupon", "c_coupon"))  # sorted, as causalml wants them
PARAMETERS = {"num_leaves": 31, "learning_rate": 0.05}


@cache
def log() -> tuple[Matrix, np.ndarray, Vector]:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(N_ROWS, N_FEATURES))
    arm = rng.integers(0, 3, N_ROWS)
    chance = 0.2 + 0.1 * (arm == 1) * (features[:, 0] > 0) + 0.2 * (arm == 2) * (features[:, 1] > 0)
    return features, arm, (rng.random(N_ROWS) < chance).astype(np.float64)


def fit() -> UpliftModel:
    features, arm, outcome = log()
    columns = [FeatureColumn(f"x{i}", "numeric") for i in range(N_FEATURES)]
    return fit_model(
        features,
        arm,
        np.full(N_ROWS, 1 / 3),
        {CONVERSION: outcome},
        arms=ARMS,
        encoder=fit_encoder(columns, {}),
        plan=Plan(
            trainer=LocalTrainer(),
            parameters=PARAMETERS,
            rounds=ROUNDS,
            seed=SEED,
        ),
    )


def test_training_and_one_answer_beside_causalml(bench: Bench) -> None:
    from causalml.inference.meta import BaseTClassifier

    features, arm, outcome = log()
    names = np.array(ARMS.names)[arm]
    booster = lightgbm.LGBMClassifier(
        n_estimators=ROUNDS, n_jobs=1, random_state=SEED, verbosity=-1, **PARAMETERS
    )
    theirs = BaseTClassifier(learner=booster, control_name=ARMS.names[0])
    ours = fit()
    bench.row(
        f"train a T-learner of 3 arms, {N_ROWS} rows, {ROUNDS} trees each",
        ours=bench.best(fit, repeats=2),
        unit="s",
        peer=(
            "causalml, same boosters",
            bench.best(lambda: theirs.fit(X=features, treatment=names, y=outcome), repeats=2),
        ),
        target=1.0,
    )
    row, drawn, happened = features[:1], names[:1], outcome[:1]
    bench.row(
        "effects of one row",
        ours=1e6 * bench.best(lambda: ours.cate(row), repeats=200),
        unit="us",
        peer=(
            "causalml",
            1e6
            * bench.best(
                lambda: theirs.predict(X=row, treatment=drawn, y=happened, verbose=False),
                repeats=50,
            ),
        ),
        target=8.0,
    )


def test_loading_the_bundle(bench: Bench, tmp_path: Path) -> None:
    fit().save(tmp_path / "model")
    texts = [train_text(arm) for arm in range(3)]
    bench.row(
        f"load the model, 3 arms x {ROUNDS} trees, checked",
        ours=1e3 * bench.best(lambda: load_model(tmp_path / "model")),
        unit="ms",
        peer=(
            "lightgbm.Booster, unchecked",
            1e3 * bench.best(lambda: [lightgbm.Booster(model_str=text) for text in texts]),
        ),
        floor=("read and hash", 1e3 * bench.best(lambda: hash_files(tmp_path / "model"))),
        target=1.0,
    )


def train_text(arm: int) -> str:
    features, drawn, outcome = log()
    rows = drawn == arm
    return LocalTrainer().train(
        features[rows],
        outcome[rows],
        weight=None,
        objective="binary",
        parameters=PARAMETERS,
        rounds=ROUNDS,
        categorical=(),
        seed=SEED,
    )


def hash_files(directory: Path) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()]
