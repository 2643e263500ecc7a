"""The predictor beside LightGBM's own: three arms of 300 trees, 31 leaves, 20 features."""

import statistics
import time
from collections.abc import Callable
from functools import cache
from itertools import cycle

import lightgbm
import numpy as np
import pytest

from tests.benchmarks.conftest import Bench
from uplift.ensemble import FlatEnsemble, compile_lightgbm, stack
from uplift.ensemble.flat import Matrix

N_FEATURES, N_ROWS, N_ARMS, N_TREES = 20, 20_000, 3, 300
CATEGORICAL = 7


@cache
def rows() -> Matrix:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N_ROWS, N_FEATURES))
    features[rng.random(features.shape) < 0.05] = np.nan
    features[:, CATEGORICAL] = rng.integers(0, 12, N_ROWS)
    return features


@cache
def models(n_leaves: int) -> tuple[list[lightgbm.Booster], FlatEnsemble]:
    rng = np.random.default_rng(1)
    known = np.nan_to_num(rows())
    boosters = []
    for arm in range(N_ARMS):
        signal = known[:, arm] + known[:, 5] ** 2 + (known[:, CATEGORICAL] % 3 == arm)
        outcome = (signal + rng.normal(size=N_ROWS) > 1.0).astype(np.float64)
        dataset = lightgbm.Dataset(rows(), outcome, categorical_feature=[CATEGORICAL])
        parameters = {"objective": "binary", "num_leaves": n_leaves, "verbosity": -1}
        parameters |= {"num_threads": 1, "seed": arm}
        boosters.append(lightgbm.train(parameters, dataset, num_boost_round=N_TREES))
    return boosters, stack([compile_lightgbm(b.model_to_string()) for b in boosters])


def median(answer: Callable[[Matrix], object], *, calls: int = 2000) -> float:
    """Median seconds to answer one row, another row every time."""
    seconds = []
    features = rows()
    for _, i in zip(range(calls), cycle(range(N_ROWS)), strict=False):
        row = features[i : i + 1]
        start = time.perf_counter()
        answer(row)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[calls // 10 :])


def by_lightgbm(boosters: list[lightgbm.Booster], features: Matrix) -> Matrix:
    return np.column_stack([booster.predict(features, num_threads=1) for booster in boosters])


@pytest.mark.parametrize(("n_leaves", "target"), [(15, 8.0), (31, 8.0), (63, None)])
def test_one_row(bench: Bench, n_leaves: int, target: float | None) -> None:
    boosters, ensemble = models(n_leaves)
    bench.row(
        f"1 row, 3 arms x {N_TREES} trees x {n_leaves} leaves, p50",
        ours=1e6 * median(ensemble.predict),
        unit="us",
        peer=("Booster.predict", 1e6 * median(lambda row: by_lightgbm(boosters, row), calls=500)),
        target=target,
    )


@pytest.mark.parametrize(("n_leaves", "target"), [(15, 3.5), (31, 3.5), (63, 3.5), (127, 1.0)])
def test_a_batch_on_one_core(bench: Bench, n_leaves: int, target: float | None) -> None:
    boosters, ensemble = models(n_leaves)
    features = rows()
    assert (
        ensemble.predict(features[:100]).tolist() == by_lightgbm(boosters, features[:100]).tolist()
    )
    scale = 1e6 / N_ROWS
    bench.row(
        f"a row of a batch, one core, 3 arms x {N_TREES} trees x {n_leaves} leaves",
        ours=scale * bench.best(lambda: ensemble.predict(features)),
        unit="us",
        peer=(
            "Booster.predict, 1 thread",
            scale * bench.best(lambda: by_lightgbm(boosters, features), repeats=3),
        ),
        floor=("read the matrix", scale * bench.best(features.sum)),
        target=target,
    )
