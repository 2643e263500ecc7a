"""A table gives the sums that its rows give in numpy, to the last bit, however it is cut."""

from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import uplift.evaluation.ranked_sums as numpy_path
import uplift.spark.ranked_sums as spark_path
from uplift.errors import ContractError, ExperimentError
from uplift.evaluation.ranked_sums import SAMPLE_ROWS, RankedSums
from uplift.hashing import hash_keys

pytestmark = pytest.mark.spark

DRAW = {"replicates": 20, "seed": 5, "max_blocks": 8}
PROPENSITIES = np.array([0.5, 0.3, 0.2])


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Households of three, drawn together into three arms; revenue in no round numbers."""
    rng = np.random.default_rng(3)
    arm = np.repeat(np.arange(100) % 3, 3)
    cate = rng.normal(size=(300, 2))
    cate[:, 1] = rng.integers(-1, 2, 300) / 3  # few distinct values
    return pd.DataFrame(
        {
            "cluster_id": np.repeat([f"household {i}" for i in range(100)], 3),
            "arm": arm,
            "propensity": PROPENSITIES[arm],
            "revenue": rng.lognormal(2, 1, 300),
            "cate": list(cate),
        }
    )


@pytest.fixture(scope="module")
def frame(spark: SparkSession, rows: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(rows).cache()


def summed(frame: DataFrame, **changes: int) -> tuple[RankedSums, ...]:
    priorities = [F.col("cate")[0], F.col("cate")[1]]
    settings = {**DRAW, "n_arms": 3, **changes}
    return spark_path.ranked_sums(frame, priorities, outcome="revenue", **settings)


def in_numpy(rows: pd.DataFrame) -> tuple[RankedSums, ...]:
    return tuple(
        numpy_path.ranked_sums(
            priority,
            rows["arm"],
            rows["revenue"],
            n_arms=3,
            weight=1 / rows["propensity"],
            keys=hash_keys(rows["cluster_id"]),
            **DRAW,
        )
        for priority in np.array(rows["cate"].tolist()).T
    )


def assert_same_bits(found: tuple[RankedSums, ...], expected: tuple[RankedSums, ...]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        for a, b in zip(astuple(ours), astuple(theirs), strict=True):
            assert np.array_equal(a, b)


def test_spark_gives_the_bits_of_numpy(frame: DataFrame, rows: pd.DataFrame) -> None:
    found = summed(frame)
    assert [len(sums.rows) for sums in found] == [8, 3]
    assert_same_bits(found, in_numpy(rows))


def test_partitions_and_order_change_no_bit(frame: DataFrame) -> None:
    shuffled = frame.orderBy("revenue").repartition(7)
    assert_same_bits(summed(shuffled), summed(frame.coalesce(1)))


def test_a_log_too_large_for_exact_quantiles_is_cut_by_the_same_sample(
    spark: SparkSession,
) -> None:
    id_ = F.col("id")
    large = spark.range(0, SAMPLE_ROWS + 50_000, 1, 2).select(  # two batches in a partition
        F.concat(F.lit("unit "), id_).alias("cluster_id"),
        (id_ % 2).alias("arm"),
        F.lit(0.5).alias("propensity"),
        F.sqrt(id_ % 20_011).alias("many"),
        # seen in one row of a thousand, and in one row only
        F.when(id_ == 7, 3.0).when(id_ % 1000 == 0, 2.0).otherwise(1.0).alias("few"),
    )
    found = spark_path.ranked_sums(
        large, [F.col("many"), F.col("few")], outcome="many", n_arms=2, **DRAW
    )
    rows = large.toPandas()
    expected = tuple(
        numpy_path.ranked_sums(
            rows[priority],
            rows["arm"],
            rows["many"],
            n_arms=2,
            weight=1 / rows["propensity"],
            keys=hash_keys(rows["cluster_id"]),
            **DRAW,
        )
        for priority in ("many", "few")
    )
    assert_same_bits(found, expected)
    assert [len(sums.rows) for sums in found] == [8, 3]
    assert found[1].rows.sum(axis=1).tolist() == [1, 150, SAMPLE_ROWS + 50_000 - 151]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("cate", "array(double('nan'), 0.0)", "priority_1 NaN in 300 of 300 rows"),
        ("cate", "array(0.0, null)", "priority_2 None in 300 of 300 rows"),
        ("revenue", "if(arm < 2, revenue, null)", "outcome None in 99 of 300 rows"),
        ("propensity", "0.0", r"propensity 0.0 in 300 of 300 rows.*between 0 and 1"),
        ("propensity", "1.0", "propensity 1.0 in 300 of 300 rows"),
        ("cluster_id", "null", "cluster_id None in 300 of 300 rows"),
        ("arm", "arm + 1", r"arm 3 in 99 of 300 rows.*numbered 0 \(control\) to 2"),
    ],
)
def test_bad_rows_are_refused_as_in_numpy(
    frame: DataFrame, column: str, value: str, message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        summed(frame.withColumn(column, F.expr(value)))


def test_an_arm_without_rows_is_refused(frame: DataFrame) -> None:
    with pytest.raises(ExperimentError, match=r"arm 3 has no rows.*\[102, 99, 99, 0\]"):
        summed(frame, n_arms=4)
    with pytest.raises(ExperimentError, match="arm 0 has no rows"):
        summed(frame.limit(0))


def test_a_household_in_two_arms_is_refused(frame: DataFrame) -> None:
    torn = frame.withColumn(
        "arm",
        F.when((F.col("cluster_id") == "household 4") & (F.col("revenue") > 6), 2).otherwise(
            F.col("arm")
        ),
    )
    with pytest.raises(ExperimentError, match=r"unit 'household 4' has .* 1 of 100 units"):
        summed(torn)


def test_missing_columns_are_all_named(frame: DataFrame) -> None:
    with pytest.raises(ContractError, match=r"lacks 2 of 4 columns: `propensity`.*`revenue`"):
        summed(frame.drop("propensity", "revenue"))
