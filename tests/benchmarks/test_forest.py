"""Growing a forest and one answer of it, beside causalml's and EconML's."""

import os
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from causalml.inference.tree import UpliftRandomForestClassifier
from econml.grf import CausalForest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.benchmarks.conftest import Bench
from tests.benchmarks.test_features import peak_memory
from uplift import forest as forests
from uplift.features.encoder import fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.forest import ForestRows, ForestSettings, effects_with_errors, grow_forest
from uplift.forest.bins import Matrix, Vector
from uplift.spark.forest import grow_forest_on_spark

SIZES = [30_000, *([200_000] if os.environ.get("UPLIFT_BENCH_FOREST") else [])]
N_LARGE = int(os.environ.get("UPLIFT_BENCH_FOREST_ROWS", "1000000"))
SPARK_SIZES = [int(n) for n in os.environ.get("UPLIFT_BENCH_FOREST_SPARK", "300000").split(",")]
N_TREES, SEED = 100, 7
SETTINGS = ForestSettings(n_trees=N_TREES, max_depth=6, min_leaf_rows=100, min_arm_rows=20)
ENCODER = fit_encoder([FeatureColumn(f"x{place}", "numeric") for place in range(12)], {})
ON_SPARK: dict[str, Any] = {
    "outcome": "conversion",
    "n_arms": 2,
    "settings": SETTINGS,
    "seed": SEED,
}


@cache
def log(n_rows: int, n_features: int) -> tuple[Matrix, npt.NDArray[np.int64], Vector]:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(n_rows, n_features))
    arm = rng.integers(0, 2, n_rows)
    chance = 0.2 + 0.2 * arm * (features[:, 0] > 0) * (features[:, 1] > 0)
    return features, arm, (rng.random(n_rows) < chance).astype(np.float64)


def grown(n_rows: int, n_features: int) -> forests.CausalForest:
    features, arm, outcome = log(n_rows, n_features)
    rows = ForestRows(features, arm, outcome, np.full(n_rows, 0.5))
    return grow_forest(rows, 2, settings=SETTINGS, seed=SEED)


@cache
def theirs(n_rows: int) -> tuple[UpliftRandomForestClassifier, float]:
    """causalml's forest on all cores, and the seconds it took."""
    features, arm, outcome = log(n_rows, 11)
    forest = UpliftRandomForestClassifier(
        control_name="0",
        n_estimators=N_TREES,
        max_depth=6,
        min_samples_leaf=100,
        min_samples_treatment=20,
        random_state=SEED,
        n_jobs=-1,
    )
    start = time.perf_counter()
    forest.fit(X=features, treatment=arm.astype(str), y=outcome)
    return forest, time.perf_counter() - start


@pytest.mark.parametrize("n_rows", SIZES)
def test_growing_beside_causalml(bench: Bench, n_rows: int) -> None:
    bench.row(
        f"grow {N_TREES} trees, {n_rows} rows x 11, binning included",
        ours=bench.best(lambda: grown(n_rows, 11), repeats=2),
        unit="s",
        peer=("causalml UpliftRandomForestClassifier, all cores", theirs(n_rows)[1]),
        target=100.0 if n_rows == 200_000 else None,
    )


@pytest.mark.parametrize("n_rows", SIZES)
def test_growing_beside_econml(bench: Bench, n_rows: int) -> None:
    features, arm, outcome = log(n_rows, 11)
    forest = CausalForest(
        n_estimators=N_TREES, max_depth=6, min_samples_leaf=50, random_state=SEED, n_jobs=-1
    )
    start = time.perf_counter()
    forest.fit(features, arm, outcome)
    peer = time.perf_counter() - start
    bench.row(
        f"grow {N_TREES} trees with errors, {n_rows} rows x 11, binning included",
        ours=bench.best(lambda: grown(n_rows, 11), repeats=2),
        unit="s",
        peer=("EconML CausalForest, all cores", peer),
        target=10.0 if n_rows == 200_000 else None,
    )


def test_growing_a_large_log(bench: Bench) -> None:
    features, _, _ = log(N_LARGE, 12)
    start = time.perf_counter()
    grown(N_LARGE, 12)
    ours = time.perf_counter() - start
    bench.row(
        f"grow {N_TREES} half-sampled trees, {N_LARGE} rows x 12",
        ours=ours,
        unit="s",
        peer=("sort every column once", bench.best(lambda: np.sort(features, axis=0), repeats=1)),
        floor=("read the matrix", bench.best(lambda: features.sum(), repeats=2)),
    )


@pytest.mark.parametrize("n_rows", SPARK_SIZES)
def test_growing_on_spark(bench: Bench, spark: SparkSession, tmp_path: Path, n_rows: int) -> None:
    """Parquet to compiled forest, survey and binning included, beside one machine's cores."""
    write_log(tmp_path / "log", n_rows)
    frame = spark.read.parquet(str(tmp_path / "log"))
    grow_forest_on_spark(frame.limit(20_000), ENCODER, **ON_SPARK)  # wakes up the workers
    start = time.perf_counter()
    forest = grow_forest_on_spark(frame, ENCODER, **ON_SPARK)
    ours = time.perf_counter() - start
    jvm_gib, worker_gib = peak_memory(spark)
    assert len(forest.trees) == N_TREES
    start = time.perf_counter()
    frame.select(F.sum(F.xxhash64(*frame.columns).cast("decimal(38,0)"))).collect()
    floor = time.perf_counter() - start
    start = time.perf_counter()
    grown(n_rows, 12)
    peer = time.perf_counter() - start
    bench.row(
        f"grow {N_TREES} half-sampled trees on Spark, {n_rows:,} rows x 12, Parquet to forest; "
        f"JVM {jvm_gib:.1f} GiB, two workers of {worker_gib:.2f}",
        ours=ours,
        unit="s",
        peer=("one process, two threads, from a matrix", peer),
        floor=("Spark reads every column", floor),
    )


def write_log(path: Path, n_rows: int, *, chunk: int = 1_000_000) -> None:
    """The log of ``log`` as a table, written piece by piece."""
    path.mkdir()
    for number, start in enumerate(range(0, n_rows, chunk)):
        n = min(chunk, n_rows - start)
        rng = np.random.default_rng([2, number])
        features = rng.normal(size=(n, 12))
        arm = rng.integers(0, 2, n)
        chance = 0.2 + 0.2 * arm * (features[:, 0] > 0) * (features[:, 1] > 0)
        columns = {
            "arm": arm,
            "propensity": np.full(n, 0.5),
            "cluster_id": np.char.add("unit-", np.arange(start, start + n).astype(str)),
            "conversion": (rng.random(n) < chance).astype(np.float64),
            **dict(zip(ENCODER.names, features.T, strict=True)),
        }
        pq.write_table(pa.table(columns), path / f"{number}.parquet")


def test_one_answer(bench: Bench) -> None:
    forest, peer = grown(30_000, 11), theirs(30_000)[0]
    rows = log(30_000, 11)[0][:10_000]
    row = rows[:1]
    bench.row(
        f"effect of one row, {N_TREES} trees",
        ours=1e6 * bench.best(lambda: forest.cate(row), repeats=300),
        unit="us",
        peer=("causalml", 1e6 * bench.best(lambda: peer.predict(row), repeats=20)),
        target=8.0,
    )
    bench.row(
        "effects of 10,000 rows with standard errors",
        ours=bench.best(lambda: effects_with_errors(forest, rows), repeats=2),
        unit="s",
        peer=("causalml, without errors", bench.best(lambda: peer.predict(rows), repeats=2)),
    )
