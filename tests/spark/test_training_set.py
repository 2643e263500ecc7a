import numpy as np
import pytest
from pyspark.sql import functions as F

from tests.features.builders import CAMPAIGN, START
from uplift.config import Experiment
from uplift.experiment.split import split_of
from uplift.spark.training_set import (
    planned_propensity,
    split_column,
    training_set,
    with_propensities,
)

pytestmark = pytest.mark.spark

UNITS = (
    "unit_id string, experiment_id string, arm int, assigned_at timestamp, propensity double, "
    "cluster_id string, conversion double, revenue double, `age.in.years` double"
)


def build(spark, rows, campaign=CAMPAIGN):
    units = with_propensities(spark.createDataFrame(rows, UNITS), campaign=campaign)
    return training_set(units, test_share=0.3, salt="s")


def test_what_is_not_logged_is_filled_in_from_the_plan_and_clusters_are_split(spark):
    units = [
        ("ann", "coupon", 2, START, None, "ann", 1.0, 2.5, 41.0),
        ("bob", "coupon", 0, START, 0.25, "house-2", 0.0, None, None),
    ]
    sides = split_of(["ann", "bob", "house-2"], test_share=0.3, salt="s").tolist()
    assert sides == ["train", "train", "test"]
    assert sorted(map(tuple, build(spark, units).collect())) == [
        ("ann", "coupon", 2, 1 / 3, "ann", "train", 1.0, 2.5, 41.0),
        ("bob", "coupon", 0, 0.25, "house-2", "test", 0.0, None, None),
    ]


def test_the_columns_are_those_of_the_training_set_in_order(spark):
    assert build(spark, []).columns == [
        "unit_id",
        "experiment_id",
        "arm",
        "propensity",
        "cluster_id",
        "split",
        "conversion",
        "revenue",
        "age.in.years",
    ]


def test_planned_shares_are_scaled_to_add_up_to_one_in_every_experiment(spark):
    shares = {"coupon_10": 1.0, "no_coupon": 2.0, "coupon_5": 5.0}
    even = dict.fromkeys(shares, 7.0)
    campaign = CAMPAIGN.model_copy(
        update={
            "planned_shares": shares,
            "experiments": (Experiment(id="may"), Experiment(id="june", planned_shares=even)),
        }
    )
    rows = [("may", 0), ("may", 1), ("may", 2), ("june", 2)]
    arms = spark.createDataFrame(rows, "experiment_id string, arm int").coalesce(1)
    planned = [row[0] for row in arms.select(planned_propensity(campaign)).collect()]
    assert planned == [0.25, 0.625, 0.125, 1 / 3]


def pooled(**shares):
    """May with even shares, June as given."""
    return CAMPAIGN.model_copy(
        update={"experiments": (Experiment(id="may"), Experiment(id="june", planned_shares=shares))}
    )


def test_pooled_experiments_of_different_shares_tell_the_chances_of_all_arms(spark):
    units = [
        ("ann", "may", 2, START, None, "ann", 1.0, 2.5, 41.0),
        ("bob", "june", 0, START, None, "bob", 0.0, None, None),
        ("cid", "june", 1, START, 0.250000001, "cid", 0.0, None, None),
        ("dan", "june", 1, START, 0.5, "dan", 0.0, None, None),
    ]
    frame = build(spark, units, pooled(no_coupon=2.0, coupon_5=1.0, coupon_10=1.0))
    found = {row.unit_id: (row.propensity, row.propensities) for row in frame.collect()}
    assert found == {
        "ann": (1 / 3, [1 / 3] * 3),
        "bob": (0.5, [0.5, 0.25, 0.25]),
        "cid": (0.250000001, [0.5, 0.25, 0.25]),
        "dan": (0.5, None),  # the log says otherwise than the plan, and nothing of the other arms
    }


def test_pooled_experiments_of_the_same_shares_need_no_more_than_the_arm_drawn(spark):
    even = dict.fromkeys(("no_coupon", "coupon_5", "coupon_10"), 4.0)
    assert "propensities" not in build(spark, [], pooled(**even)).columns


@pytest.mark.parametrize("salt", ["split-1", "", "größe"])
def test_spark_and_numpy_split_every_unit_alike(spark, salt):
    rng = np.random.default_rng(5)
    ids = ["", "ann", "zoë", "顧客-7", "🙂", *(str(rng.integers(1 << 62)) for _ in range(2_000))]
    frame = spark.createDataFrame([(unit,) for unit in ids], "cluster_id string")
    split = split_column(F.col("cluster_id"), test_share=0.4, salt=salt)
    found = {row[0]: row[1] for row in frame.select("cluster_id", split).collect()}
    assert [found[unit] for unit in ids] == split_of(ids, test_share=0.4, salt=salt).tolist()
