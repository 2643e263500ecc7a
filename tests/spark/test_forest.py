"""The forest of a table is that of one machine, whatever the partitions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from uplift.arms import Arms
from uplift.errors import ContractError, ExperimentError
from uplift.features.encoder import FeatureEncoder, fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.forest import CausalForest, ForestRows, ForestSettings, grow_forest
from uplift.forest.sampling import shards_of
from uplift.hashing import hash_keys
from uplift.learners.boosting import LocalTrainer
from uplift.learners.fit import Plan
from uplift.learners.recipe import Options
from uplift.spark.forest import grow_forest_on_spark
from uplift.spark.forest_model import forest_model, grows_on_spark

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


def rows_of(table: pa.Table, encoder: FeatureEncoder = ENCODER) -> ForestRows:
    return ForestRows(
        features=encoder.encode(table),
        arm=table["arm"].to_numpy(),
        outcome=table["conversion"].to_numpy(),
        propensity=table["propensity"].to_numpy(),
        keys=hash_keys(table["cluster_id"].to_pylist()),
    )


def here(
    table: pa.Table,
    settings: ForestSettings,
    encoder: FeatureEncoder = ENCODER,
    *,
    n_arms: int = 3,
    least_splits: int = 10,
) -> str:
    categorical = encoder.categorical_indices
    rows = rows_of(table, encoder)
    forest = grow_forest(rows, n_arms, settings=settings, seed=5, categorical=categorical)
    assert len(forest.ensemble.feature) >= least_splits
    return forest.ensemble.digest()


def grown_there(
    spark,
    table: pa.Table,
    settings: ForestSettings,
    n_partitions: int,
    encoder: FeatureEncoder = ENCODER,
    *,
    n_arms: int = 3,
) -> CausalForest:
    return grow_forest_on_spark(
        spark.createDataFrame(table.to_pandas()).repartition(n_partitions),
        encoder,
        outcome="conversion",
        n_arms=n_arms,
        settings=settings,
        seed=5,
    )


def there(*args: Any, **changed: Any) -> str:
    return grown_there(*args, **changed).ensemble.digest()


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


@pytest.mark.parametrize(
    "kind", ["an arm in one shard only", "all rows the same", "one row an arm"]
)
def test_a_log_that_leaves_shards_without_arms_or_rows_is_grown_like_anywhere(
    spark, kind: str
) -> None:
    table = a_table(600)
    units = np.array([number // 2 for number in range(600)])
    keys = hash_keys([f"household-{unit}" for unit in units])
    if kind == "an arm in one shard only":
        arm = np.where(shards_of(keys, 5, 4) == 1, table["arm"].to_numpy(), units % 2)
    elif kind == "all the same":
        arm = np.arange(600) // 2 % 3
        table = table.take(np.zeros(600, dtype=np.int64)).set_column(
            2, "cluster_id", [[f"household-{unit}" for unit in units]]
        )
    else:
        table, arm = table.slice(0, 3), np.arange(3)
    table = table.set_column(0, "arm", [arm])
    settings = replace(SETTINGS, shard_rows=150 if len(table) > 3 else 1)
    rows = rows_of(table)
    ours = grow_forest(rows, 3, settings=settings, seed=5, categorical=[2])
    found = grown_there(spark, table, settings, 2)
    assert np.array_equal(
        found.expected_outcome(rows.features), ours.expected_outcome(rows.features)
    )
    if kind != "an arm in one shard only":
        assert len(found.ensemble.feature) == 0
    else:
        assert {int(tree.tree.feature[0]) for tree in found.trees[::4]} == {
            -1
        }  # shard 0 has no arm 2
        assert max(int(tree.tree.feature[0]) for tree in found.trees[1::4]) >= 0


def test_a_log_of_65_000_categories_is_grown_like_anywhere(spark) -> None:
    rng = np.random.default_rng(1)
    n = 70_000
    codes = np.concatenate([np.arange(65_000), rng.integers(0, 65_000, n - 65_000)])
    arm = rng.integers(0, 2, n)
    outcome = (rng.random(n) < 0.1 + 0.5 * arm * (codes % 2)) * 1.0
    table = pa.table(
        {
            "arm": arm,
            "propensity": np.full(n, 0.5),
            "cluster_id": [str(number) for number in range(n)],
            "conversion": outcome,
            "shop": [f"{code:05}" for code in codes],
        }
    )
    names = [f"{code:05}" for code in range(65_000)]
    encoder = fit_encoder([FeatureColumn("shop", "categorical")], {"shop": names})
    settings = replace(SETTINGS, n_trees=4, shard_rows=35_000)
    expected = here(table, settings, encoder, n_arms=2, least_splits=2)
    assert there(spark, table, settings, 2, encoder, n_arms=2) == expected
    too_many = fit_encoder([FeatureColumn("shop", "categorical")], {"shop": [*names, "x"]})
    with pytest.raises(ContractError, match="takes 65000"):
        there(spark, table, settings, 2, too_many, n_arms=2)


def test_rows_that_break_the_contract_are_named(spark) -> None:
    table = a_table(60)
    strange = table.set_column(3, "conversion", [np.where(np.arange(60) == 7, np.nan, 0.0)])
    with pytest.raises(ContractError, match="outcome None in 1 of 60"):
        there(spark, strange, SETTINGS, 2)
    with pytest.raises(ContractError, match="age"):
        there(spark, table.drop_columns("age"), SETTINGS, 2)
    with pytest.raises(ExperimentError, match="arm 3"):
        there(spark, table, SETTINGS, 2, n_arms=4)


def test_a_model_of_the_whole_training_set_answers_with_errors(spark) -> None:
    table = a_table()
    plan = Plan(
        LocalTrainer(),
        {},
        1,
        5,
        learner="causal_forest",
        options=Options(forest=SETTINGS, on_spark=True),
    )
    assert grows_on_spark(plan)
    assert not grows_on_spark(replace(plan, options=Options()))
    model = forest_model(
        spark.createDataFrame(table.to_pandas()),
        ["conversion"],
        arms=Arms(("none", "coupon_5", "coupon_10")),
        encoder=ENCODER,
        plan=plan,
        metadata={"learner": "causal_forest"},
    )
    assert model.ensembles["conversion"].digest() == here(table, SETTINGS)
    errors = model.effect_standard_error(ENCODER.encode(table))
    assert errors is not None
    assert errors.shape == (N, 2)
