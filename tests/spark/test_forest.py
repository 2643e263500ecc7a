"""The forest of a table is that of one machine, whatever the partitions."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from uplift.features.encoder import FeatureEncoder, fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.forest import ForestRows, ForestSettings, grow_forest
from uplift.hashing import hash_keys
from uplift.spark.forest import grow_forest_on_spark

pytestmark = pytest.mark.spark

N = 3000
CITIES = tuple(f"city_{number:02}" for number in range(12))
ENCODER = fit_encoder(
    [
        FeatureColumn("age", "numeric"),
        FeatureColumn("spend.per.month", "numeric"),
        FeatureColumn("city", "categorical"),
    ],
    {"city": CITIES},
)
SETTINGS = ForestSettings(n_trees=8, max_depth=4, min_leaf_rows=20, min_arm_rows=4, shard_rows=700)


def a_table(n: int = N, *, continuous: bool = False, varying: bool = False) -> pa.Table:
    """Three arms; two rows to a randomisation unit; some values are missing."""
    rng = np.random.default_rng(4)
    arm = np.repeat(rng.integers(0, 3, n // 2), 2)
    age = rng.normal(size=n)
    city = rng.integers(0, 12, n)
    outcome = (
        rng.random(n) < 0.2 + 0.3 * (arm == 1) * (age > 0) + 0.2 * (arm == 2) * (city > 5)
    ) * 1.0
    return pa.table(
        {
            "arm": arm,
            "propensity": 0.2 + 0.3 * rng.random(n) if varying else np.full(n, 1 / 3),
            "cluster_id": [f"household-{number // 2}" for number in range(n)],
            "conversion": outcome * rng.random(n) if continuous else outcome,
            "age": pa.array(age, mask=rng.random(n) < 0.1),
            "spend.per.month": np.round(rng.gamma(2.0, size=n), 1),
            "city": [CITIES[number] for number in city],
        }
    )


def here(table: pa.Table, settings: ForestSettings, encoder: FeatureEncoder = ENCODER) -> str:
    rows = ForestRows(
        features=encoder.encode(table),
        arm=table["arm"].to_numpy(),
        outcome=table["conversion"].to_numpy(),
        propensity=table["propensity"].to_numpy(),
        keys=hash_keys(table["cluster_id"].to_pylist()),
    )
    forest = grow_forest(
        rows, 3, settings=settings, seed=5, categorical=encoder.categorical_indices
    )
    assert len(forest.ensemble.feature) > 10
    return forest.ensemble.digest()


def there(spark, table: pa.Table, settings: ForestSettings, n_partitions: int) -> str:
    frame = spark.createDataFrame(table.to_pandas()).repartition(n_partitions)
    return grow_forest_on_spark(
        frame, ENCODER, outcome="conversion", n_arms=3, settings=settings, seed=5
    ).ensemble.digest()


@pytest.mark.parametrize("kind", ["binary", "continuous", "varying propensities"])
def test_one_partition_or_many_or_no_cluster_the_same_forest(spark, kind: str) -> None:
    table = a_table(continuous=kind == "continuous", varying=kind == "varying propensities")
    expected = here(table, SETTINGS)
    assert here(table, replace(SETTINGS, shard_rows=10_000)) != expected
    partitions = (1, 3) if kind == "binary" else (2,)
    assert {there(spark, table, SETTINGS, n) for n in partitions} == {expected}


def test_a_log_of_one_shard_is_shared_by_all_cores(spark) -> None:
    settings = replace(SETTINGS, shard_rows=10_000, is_honest=False)
    assert there(spark, a_table(), settings, 2) == here(a_table(), settings)
