"""A night's heavy steps from Parquet to Parquet, beside what one would write without us.

`UPLIFT_BENCH_ROWS` sets the size (default 1,000,000); slow peers get a fifth of it. Two cores.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from causalml.inference.meta import BaseTClassifier
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tests.benchmarks.conftest import Bench
from tests.benchmarks.test_scoring import ARMS, ENCODER, LEAVES, TREES, D, boosters, untouched
from uplift.batch.memory import family
from uplift.ensemble import compile_lightgbm, stack
from uplift.learners.model import UpliftModel
from uplift.policy import ValueRule
from uplift.spark.scoring import add_appraisal, add_expected_outcomes

pytestmark = pytest.mark.spark

N = int(os.environ.get("UPLIFT_BENCH_ROWS", 1_000_000))
ROWS_PER_FILE = 100_000
N_PEER = min(N, max(N // 5, ROWS_PER_FILE))
NAMES = [f"f{i}" for i in range(D)]
VALUE = ValueRule("conversion", 30.0, 0.0, (0.1, 0.1), (5.0, 10.0))


@pytest.fixture(scope="module")
def fitted() -> list[lightgbm.Booster]:
    return boosters()


@pytest.fixture(scope="module")
def model(fitted: list[lightgbm.Booster]) -> UpliftModel:
    trees = stack([compile_lightgbm(booster.model_to_string()) for booster in fitted])
    return UpliftModel(ARMS, ENCODER, {"conversion": trees})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """N customers of 20 features; the first files hold a fifth of them."""
    folder: Path = tmp_path_factory.mktemp("customers")
    rng = np.random.default_rng(3)
    for part, start in enumerate(range(0, N, ROWS_PER_FILE)):
        n = min(ROWS_PER_FILE, N - start)
        rows = rng.normal(size=(n, D))
        table = pa.table({name: rows[:, i] for i, name in enumerate(NAMES)})
        table = table.append_column("unit_id", pa.array([f"u{start + i:08d}" for i in range(n)]))
        table = table.append_column("contactable", pa.array(np.ones(n, dtype=bool)))
        pq.write_table(table, folder / f"part-{part:04d}.parquet")
    return folder


def files(folder: Path, n: int) -> list[str]:
    """The files of the first n customers, at least one."""
    return [str(path) for path in sorted(folder.iterdir())[: max(1, -(-n // ROWS_PER_FILE))]]


def micros(run: Callable[[], object], paths: list[str]) -> float:
    """Microseconds per row of the faster of two runs."""
    n = sum(pq.read_metadata(path).num_rows for path in paths)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return 1e6 * min(seconds) / n


def to_parquet(frame: DataFrame, folder: Path) -> Callable[[], None]:
    return lambda: frame.write.mode("overwrite").parquet(str(folder))


def ours(frame: DataFrame, model: UpliftModel) -> DataFrame:
    """All that a night does to a row before it ranks: outcomes, effects, gain, cost, segment."""
    expected = add_expected_outcomes(frame, model)
    return add_appraisal(expected, value=VALUE, sure_thing_conversion=0.2, harm_tolerance=0.005)


def loop(paths: list[str], fitted: list[lightgbm.Booster], target: Path) -> None:
    """(a) One process, batch by batch: LightGBM with both cores, effects by numpy."""
    writer = None
    for batch in ds.dataset(paths).to_batches(batch_size=50_000):
        matrix = np.column_stack([batch.column(name).to_numpy() for name in NAMES])
        expected = np.column_stack([b.predict(matrix, num_threads=2) for b in fitted])
        table = pa.table(
            {
                "unit_id": batch.column("unit_id"),
                **{f"mu{i}": expected[:, i] for i in range(3)},
                **{f"uplift{i}": expected[:, i] - expected[:, 0] for i in (1, 2)},
            }
        )
        writer = writer or pq.ParquetWriter(target, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


class Boosters(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """(b) The same trees as a plain MLflow model."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def load_context(self, context: object) -> None:
        self._models = [lightgbm.Booster(model_str=text) for text in self._texts]

    def predict(self, context: object, model_input: pd.DataFrame) -> pd.DataFrame:
        columns = {
            f"mu{i}": model.predict(model_input.to_numpy(), num_threads=1)
            for i, model in enumerate(self._models)
        }
        return pd.DataFrame(columns)


def by_spark_udf(
    spark: SparkSession, frame: DataFrame, fitted: list[lightgbm.Booster], path: Path
) -> DataFrame:
    texts = [booster.model_to_string() for booster in fitted]
    mlflow.pyfunc.save_model(str(path), python_model=Boosters(texts), pip_requirements=["lightgbm"])
    udf = mlflow.pyfunc.spark_udf(
        spark, str(path), result_type="mu0 double, mu1 double, mu2 double", env_manager="local"
    )
    return frame.select("unit_id", udf(*map(F.col, NAMES)).alias("mu"))


def by_causalml(frame: DataFrame) -> DataFrame:
    """(c) A T-learner of as many and as large trees, predicting in mapInPandas."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20_000, D))
    arm = rng.choice(np.array(["a", "b", "c"]), len(x))
    chance = 1.0 / (1.0 + np.exp(1.5 - x[:, 0] * x[:, 5] - x[:, 6:12].sum(axis=1)))
    learner = BaseTClassifier(
        lightgbm.LGBMClassifier(
            n_estimators=TREES, num_leaves=LEAVES, n_jobs=1, verbosity=-1, min_child_samples=20
        ),
        control_name="a",
    )
    learner.fit(X=x, treatment=arm, y=(rng.random(len(x)) < chance).astype(int))

    def score(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            effects = learner.predict(X=batch[NAMES].to_numpy())
            yield pd.DataFrame(
                {"unit_id": batch["unit_id"], "b": effects[:, 0], "c": effects[:, 1]}
            )

    return frame.mapInPandas(score, "unit_id string, b double, c double")


@pytest.mark.parametrize("peer", ["loop", "spark_udf", "causalml"])
def test_scoring_from_parquet_to_parquet(
    bench: Bench,
    spark: SparkSession,
    folder: Path,
    fitted: list[lightgbm.Booster],
    model: UpliftModel,
    tmp_path: Path,
    peer: str,
) -> None:
    everybody, some = files(folder, N), files(folder, N_PEER)
    frame, less = spark.read.parquet(*everybody), spark.read.parquet(*some)
    one = spark.read.parquet(*files(folder, 1)).limit(2000)
    name, target = {
        "loop": (f"pyarrow + LightGBM, one process, {N_PEER:,} rows", 3.0),
        "spark_udf": (f"mlflow.pyfunc.spark_udf, {N_PEER:,} rows", 5.0),
        "causalml": (f"causalml T-learner in mapInPandas, {N_PEER:,} rows", 20.0),
    }[peer]
    to_parquet(ours(one, model), tmp_path / "warm")()
    if peer == "loop":
        theirs = micros(lambda: loop(some, fitted, tmp_path / "loop.parquet"), some)
    else:
        made = (
            by_causalml(less)
            if peer == "causalml"
            else by_spark_udf(spark, less, fitted, tmp_path / "model")
        )
        to_parquet(made.limit(2000), tmp_path / "warm")()
        theirs = micros(to_parquet(made, tmp_path / "theirs"), some)
    bench.row(
        f"night: {D} features, 3 arms x {TREES} trees, Parquet to Parquet, {N:,} rows",
        ours=micros(to_parquet(ours(frame, model), tmp_path / "ours"), everybody),
        unit="us/row",
        peer=(name, theirs),
        floor=(
            "mapInArrow, no model",
            micros(to_parquet(untouched(frame), tmp_path / "floor"), everybody),
        ),
        target=target,
    )


def test_memory_of_the_python_tasks_does_not_grow_with_rows(
    bench: Bench, spark: SparkSession, folder: Path, model: UpliftModel, tmp_path: Path
) -> None:
    def peak(paths: list[str]) -> float:
        """Most MiB of any Python task."""
        seen = [0.0]
        done = False

        def watch() -> None:
            while not done:
                seen[0] = max([seen[0], *map(held_mib, python_tasks())])
                time.sleep(0.05)

        watcher = Thread(target=watch)
        watcher.start()
        try:
            to_parquet(ours(spark.read.parquet(*paths), model), tmp_path / "out")()
        finally:
            done = True
            watcher.join()
        return seen[0]

    tenth = peak(files(folder, N // 10))
    bench.row(
        f"memory of a Python task, {N:,} rows",
        ours=peak(files(folder, N)),
        unit="MiB",
        peer=(f"the same for {max(N // 10, ROWS_PER_FILE):,} rows", tenth),
        target=0.9,
    )


def python_tasks() -> list[int]:
    """Python processes below this one."""
    found = []
    for pid in family(os.getpid()):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if pid != os.getpid() and b"pyspark.daemon" in command:
            found.append(pid)
    return found


def held_mib(pid: int) -> float:
    """Resident memory of a process; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)
