import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from tests.benchmarks.conftest import Bench
from uplift.arms import Arms
from uplift.ensemble import compile_lightgbm, stack
from uplift.features.encoder import fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.learners.model import UpliftModel
from uplift.spark.scoring import add_decile, add_expected_outcomes

pytestmark = pytest.mark.spark

N, N_PEER, D = 1_000_000, 200_000, 20
TREES, LEAVES = 100, 31
ARMS = Arms(("no_coupon", "coupon_5", "coupon_10"))
ENCODER = fit_encoder([FeatureColumn(f"f{i}", "numeric") for i in range(D)], {})


def boosters() -> list[lightgbm.Booster]:
    """One per arm."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20_000, D))
    settings = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "min_data_in_leaf": 20,
        "num_threads": 2,
        "verbosity": -1,
    }
    fitted = []
    for arm in range(3):
        chance = 1.0 / (1.0 + np.exp(1.5 - x[:, arm] * x[:, 5] - x[:, 6:12].sum(axis=1)))
        data = lightgbm.Dataset(x, (rng.random(len(x)) < chance).astype(float))
        fitted.append(lightgbm.train(settings, data, TREES))
    return fitted


@pytest.fixture(scope="module")
def fitted() -> list[lightgbm.Booster]:
    return boosters()


@pytest.fixture(scope="module")
def features(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> DataFrame:
    """One million rows of 20 features as Parquet, in ten files."""
    folder: Path = tmp_path_factory.mktemp("features")
    rng = np.random.default_rng(3)
    for part in range(10):
        rows = rng.normal(size=(N // 10, D))
        table = pa.table({f"f{i}": rows[:, i] for i in range(D)})
        ids = pa.array([f"unit-{part}-{i}" for i in range(N // 10)])
        pq.write_table(table.append_column("unit_id", ids), folder / f"part-{part}.parquet")
    return spark.read.parquet(str(folder))


def seconds(make: Callable[[], DataFrame]) -> float:
    """The faster of two runs to the end of the last row, after a short one to warm up."""
    make().limit(1000).write.format("noop").mode("overwrite").save()
    taken = []
    for _ in range(2):
        start = time.perf_counter()
        make().write.format("noop").mode("overwrite").save()
        taken.append(time.perf_counter() - start)
    return min(taken)


def by_booster(frame: DataFrame, fitted: list[lightgbm.Booster]) -> DataFrame:
    """What one would write without us: LightGBM's own predict, arm after arm."""
    texts = [booster.model_to_string() for booster in fitted]

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        models = [lightgbm.Booster(model_str=text) for text in texts]
        for batch in batches:
            matrix = ENCODER.encode(batch)
            arms = [model.predict(matrix, num_threads=1) for model in models]
            lists = pa.array(np.column_stack(arms).tolist())
            yield pa.RecordBatch.from_arrays([batch.column("unit_id"), lists], ["unit_id", "mu"])

    return frame.mapInArrow(score, "unit_id string, mu array<double>")


def untouched(frame: DataFrame) -> DataFrame:
    """The floor: every row to Python and an answer back, without a model."""

    def echo(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.RecordBatch.from_arrays(
                [batch.column("unit_id"), batch.column("f0")], ["unit_id", "mu"]
            )

    return frame.mapInArrow(echo, "unit_id string, mu double")


def test_a_million_customers_by_three_hundred_trees(
    bench: Bench, features: DataFrame, fitted: list[lightgbm.Booster]
) -> None:
    trees = stack([compile_lightgbm(booster.model_to_string()) for booster in fitted])
    model = UpliftModel(ARMS, ENCODER, {"conversion": trees})
    some = features.where(f"unit_id < 'unit-{10 * N_PEER // N}'")
    few = features.where("unit_id like 'unit-0-999__'")
    ours = add_expected_outcomes(few, model).toArrow().sort_by("unit_id")
    theirs = by_booster(few, fitted).toArrow().sort_by("unit_id")
    np.testing.assert_allclose(
        ours["expected_conversion"].to_pylist(), theirs["mu"].to_pylist(), rtol=1e-12
    )
    micro = 1e6 / N
    bench.row(
        f"batch scoring: {D} features, 3 arms x {TREES} trees of {LEAVES}, local[2], {N:,} rows",
        ours=seconds(lambda: add_expected_outcomes(features, model)) * micro,
        unit="us/row",
        peer=(
            f"Booster.predict in mapInArrow, {N_PEER:,} rows",
            seconds(lambda: by_booster(some, fitted)) * 1e6 / N_PEER,
        ),
        floor=("mapInArrow, no model", seconds(lambda: untouched(features)) * micro),
        target=3,
    )


def test_deciles_of_a_million_priorities(bench: Bench, features: DataFrame) -> None:
    priority = features.selectExpr("f0 as priority").persist()
    priority.count()
    tenths = [tenth / 10.0 for tenth in range(1, 10)]
    bench.row(
        f"deciles of {N:,} priorities, exact, local[2]",
        ours=bench.best(lambda: add_decile(priority), repeats=2),
        unit="s",
        peer=(
            "approxQuantile, error 0",
            bench.best(lambda: priority.approxQuantile("priority", tenths, 0.0), repeats=2),
        ),
    )
    priority.unpersist()
