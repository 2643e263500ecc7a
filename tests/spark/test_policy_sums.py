"""A table gives the policy sums that its rows give in numpy, to the last bit."""

from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import uplift.evaluation.policy_sums as numpy_path
import uplift.spark.policy_sums as spark_path
from uplift.arms import Arms
from uplift.errors import ContractError, ExperimentError
from uplift.evaluation.policy_sums import PolicySums
from uplift.hashing import hash_keys

pytestmark = pytest.mark.spark

ARMS = Arms(("none", "coupon_5", "coupon_10"))
DRAW = {"replicates": 20, "seed": 5}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    arm = np.arange(120) % 3
    return pd.DataFrame(
        {
            "cluster_id": [f"unit {i}" for i in range(120)],
            "arm": arm,
            "propensity": rng.uniform(0.2, 0.6, 120),
            "revenue": rng.lognormal(2, 1, 120),
            "model": rng.integers(0, 3, 120),
            "last.night": rng.integers(0, 2, 120),
        }
    )


@pytest.fixture(scope="module")
def frame(spark: SparkSession, rows: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(rows).cache()


def summed(frame: DataFrame, decisions: tuple[str, ...] = ("model", "last.night")) -> PolicySums:
    return spark_path.policy_sums(frame, decisions, outcome="revenue", arms=ARMS, **DRAW)


def assert_same_bits(found: PolicySums, expected: PolicySums) -> None:
    for a, b in zip(astuple(found), astuple(expected), strict=True):
        assert np.array_equal(a, b)


def test_spark_gives_the_bits_of_numpy_whatever_the_partitions(
    frame: DataFrame, rows: pd.DataFrame
) -> None:
    expected = numpy_path.policy_sums(
        rows["arm"],
        rows["revenue"],
        rows["propensity"],
        {"model": rows["model"], "last.night": rows["last.night"]},
        arms=ARMS,
        keys=hash_keys(rows["cluster_id"]),
        **DRAW,
    )
    assert expected.names[3:] == ("model", "last.night")
    assert_same_bits(summed(frame.coalesce(1)), expected)
    assert_same_bits(summed(frame.orderBy("revenue").repartition(5)), expected)


def test_constant_policies_need_no_decisions(frame: DataFrame) -> None:
    found = summed(frame, decisions=())
    assert found.names == ("nobody", "everybody:coupon_5", "everybody:coupon_10")
    assert found.decided.tolist() == (120 * np.eye(3)).tolist()


def test_a_decision_on_no_arm_is_refused(frame: DataFrame) -> None:
    with pytest.raises(ContractError, match=r"policy 'model': arm 3 in 40 of 120 rows.*to 2"):
        summed(frame.withColumn("model", F.col("arm") + 1))


def test_an_undecided_row_is_refused(frame: DataFrame) -> None:
    with pytest.raises(ContractError, match="policy 'model': arm None in 120 of 120 rows"):
        summed(frame.withColumn("model", F.lit(None)))


def test_a_unit_in_two_arms_is_refused(frame: DataFrame) -> None:
    with pytest.raises(ExperimentError, match="1 of 1 units"):
        summed(frame.withColumn("cluster_id", F.lit("everyone")))
