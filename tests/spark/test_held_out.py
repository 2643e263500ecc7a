"""Held-out rows: what a model would have decided, beside what happened."""

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from uplift.arms import Arms
from uplift.ensemble import constant
from uplift.features.encoder import fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.learners.model import UpliftModel
from uplift.policy import ValueRule
from uplift.spark.held_out import NET_VALUE, cate_of, held_out_rows, net_value

pytestmark = pytest.mark.spark

VALUE = ValueRule("conversion", 30.0, 0.5, (0.1, 0.2), (5.0, 10.0))
SCHEMA = (
    "unit_id string, experiment_id string, arm int, propensity double, cluster_id string, "
    "conversion double, revenue double, age double, model double"
)


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(
        [
            ("ann", "coupon", 0, 0.4, "ann", 1.0, 50.0, 20.0, 1.0),
            ("bob", "coupon", 1, 0.3, "bob", 0.0, 0.0, 30.0, None),
            ("eve", "coupon", 2, 0.3, "eve", 1.0, 80.0, None, 2.0),
        ],
        SCHEMA,
    )


def model_of(chances: list[float], *names: str) -> UpliftModel:
    encoder = fit_encoder([FeatureColumn(name, "numeric") for name in names], {})
    ensembles = {"conversion": constant(chances, n_features=len(names))}
    return UpliftModel(Arms(("none", "c5", "c10")), encoder, ensembles)


@pytest.mark.parametrize(
    ("basis", "euro"),
    [
        # control; contact only; 30 - 0.2 - 10
        ("conversion", [30.0, -0.1, 19.8]),
        # half of the revenue; contact only; 40 - 0.2 - 10
        ("revenue", [25.0, -0.1, 29.8]),
    ],
)
def test_net_value_is_margin_less_contact_and_redemption(
    rows: DataFrame, basis: str, euro: list[float]
) -> None:
    value = ValueRule(basis, 30.0, 0.5, (0.1, 0.2), (5.0, 10.0))  # type: ignore[arg-type]
    found = [row[0] for row in rows.select(net_value(value)).collect()]
    assert found == pytest.approx(euro)


def test_each_model_decides_on_its_own_features_and_only_what_counts_is_left(
    rows: DataFrame,
) -> None:
    # c10 earns 30 x .5 - (.2 + 10 x .8) = 6.8, c5 earns 30 x .1 - (.1 + 5 x .4) = .9
    eager = model_of([0.3, 0.4, 0.8], "age", "model")
    wary = model_of([0.3, 0.3, 0.2], "age")

    found = held_out_rows(rows, {"champion": wary, "model": eager}, value=VALUE)

    assert sorted(found.columns) == [
        "arm",
        "champion",
        "champion cate",
        "cluster_id",
        "conversion",
        "experiment_id",
        "model",
        "model cate",
        NET_VALUE,
        "propensity",
    ]
    collected = found.orderBy("cluster_id").collect()
    assert [row["model"] for row in collected] == [2, 2, 2]
    assert [row["champion"] for row in collected] == [0, 0, 0]
    np.testing.assert_allclose(collected[0][cate_of("model")], [0.1, 0.5])
    assert [row["arm"] for row in collected] == [0, 1, 2]
