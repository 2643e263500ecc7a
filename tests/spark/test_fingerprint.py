"""Equal rows, equal fingerprint; any change of a row shows."""

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from uplift.spark.fingerprint import fingerprint

pytestmark = pytest.mark.spark

ROWS = [("ann", 1.5, None), ("bob", None, "north"), ("eve", None, None), ("eve", None, None)]


@pytest.fixture(scope="module")
def frame(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(ROWS, "unit_id string, age double, region string")


def test_order_partitions_and_order_of_columns_do_not_count(frame: DataFrame) -> None:
    found = fingerprint(frame)
    assert found.n_rows == 4
    assert found.schema == {"age": "double", "region": "string", "unit_id": "string"}
    assert fingerprint(frame.orderBy(F.desc("unit_id")).repartition(3)) == found
    assert fingerprint(frame.select("region", "unit_id", "age")) == found


@pytest.mark.parametrize(
    "changed",
    [
        lambda frame: frame.limit(3),
        lambda frame: frame.unionByName(frame.limit(1)),
        lambda frame: frame.distinct(),
        lambda frame: frame.withColumn("age", F.col("age") + 1e-12),
        lambda frame: frame.withColumn("age", F.coalesce("age", F.lit(0.0))),
        lambda frame: frame.withColumn("age", F.col("age").cast("float")),
        lambda frame: frame.withColumnRenamed("age", "years"),
        lambda frame: frame.withColumns({"region": F.col("unit_id"), "unit_id": F.col("region")}),
    ],
    ids=[
        "a row less",
        "a row more",
        "a repeated row once",
        "a digit",
        "a value for a null",
        "a type",
        "a name",
        "two columns swapped",
    ],
)
def test_any_change_shows(frame: DataFrame, changed: object) -> None:
    assert callable(changed)
    assert fingerprint(changed(frame)).digest != fingerprint(frame).digest


def test_a_value_that_moves_to_the_column_next_door_shows(spark: SparkSession) -> None:
    left = spark.createDataFrame([("x", None)], "a string, b string")
    right = spark.createDataFrame([(None, "x")], "a string, b string")
    assert fingerprint(left).digest != fingerprint(right).digest


def test_an_empty_table_has_a_fingerprint_too(frame: DataFrame) -> None:
    empty = fingerprint(frame.limit(0))
    assert empty.n_rows == 0
    assert empty.digest != fingerprint(frame).digest
