"""Spark draws the numbers that Python draws, to the last bit."""

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from uplift import hashing
from uplift.spark.hashing import hash_key_bytes, hash_uniform

pytestmark = pytest.mark.spark


def test_a_draw_is_the_same_in_spark_and_in_python(spark: SparkSession) -> None:
    units = ["ann", "bob", "", "Zoë", "\0", "a" * 1000]
    frame = spark.createDataFrame([(unit,) for unit in units], "unit string")
    drawn = frame.select("unit", hash_uniform(F.col("unit"), "salt'\\ü")).collect()
    assert {row["unit"]: row[1] for row in drawn} == {
        unit: hashing.hash_uniform(unit, "salt'\\ü") for unit in units
    }


def test_a_key_is_the_same_in_spark_and_in_python(spark: SparkSession) -> None:
    units = ["ann", "bob", "", "Zoë", "\0", "a" * 1000]
    frame = spark.createDataFrame([(unit,) for unit in units], "unit string")
    found = frame.select("unit", hash_key_bytes(F.col("unit"))).collect()
    assert {row["unit"]: int.from_bytes(row[1], "big") for row in found} == {
        unit: hashing.hash_key(unit) for unit in units
    }


def test_nobody_has_no_draw(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(None,)], "unit string")
    assert frame.select(hash_uniform(F.col("unit"), "salt")).collect()[0][0] is None
