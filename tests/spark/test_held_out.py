"""Held-out rows: what a model would have decided, beside what happened."""

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from uplift.arms import Arms
from uplift.config import Evaluation
from uplift.ensemble import constant
from uplift.evaluation.policy_value import dr_value
from uplift.features.encoder import fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.learners.model import UpliftModel
from uplift.policy import ValueRule
from uplift.spark.held_out import (
    EXPECTED_VALUE,
    NET_VALUE,
    cate_of,
    held_out_rows,
    held_out_sums,
    net_value,
)

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

    half = model_of([0.1, 0.15, 0.3], "age")
    found = held_out_rows(
        rows,
        {"champion": wary, "model": eager},
        ranked="model",
        beside={"first half": half},
        value=VALUE,
    )

    assert sorted(found.columns) == [
        "arm",
        "champion",
        "champion cate",
        "cluster_id",
        "conversion",
        EXPECTED_VALUE,
        "expected_conversion",
        "experiment_id",
        "first half cate",
        "model",
        "model cate",
        NET_VALUE,
        "propensity",
    ]
    collected = found.orderBy("cluster_id").collect()
    assert [row["model"] for row in collected] == [2, 2, 2]
    assert [row["champion"] for row in collected] == [0, 0, 0]
    np.testing.assert_allclose(collected[0][cate_of("model")], [0.1, 0.5])
    np.testing.assert_allclose(collected[0][cate_of("first half")], [0.05, 0.2])
    np.testing.assert_allclose(collected[0]["expected_conversion"], [0.3, 0.4, 0.8])
    # 30 x the chance, less .1 + 5 x .4 and .2 + 10 x .8
    np.testing.assert_allclose(collected[0][EXPECTED_VALUE], [9.0, 9.9, 15.8])
    assert [row["arm"] for row in collected] == [0, 1, 2]


def test_all_sums_come_from_one_pass_and_the_sample_from_whole_units(rows: DataFrame) -> None:
    model, half = model_of([0.3, 0.4, 0.8], "age"), model_of([0.3, 0.35, 0.5], "age")
    found = held_out_sums(
        rows,
        {"model": model},
        ranked="model",
        response=model_of([0.0, 0.6, 0.6], "age"),
        halves=(half, model),
        arms=model.arms,
        value=VALUE,
        how=Evaluation(replicates=20, blocks=10, level=0.95, seed=1),
    )
    assert [sums.priority.tolist() for sums in found.rankings] == [
        pytest.approx([0.1]),
        pytest.approx([0.5]),
    ]
    assert found.by_response is not None
    assert found.by_response.priority.tolist() == pytest.approx([0.6])
    # rows earned 30, -.1 and 19.8 euro; the model expects 9, 9.9 and 15.8 of the arms
    expected = 15.8 + (19.8 - 15.8) / 0.3 / 3
    assert dr_value(found.policies, "model")[0] == pytest.approx(expected)
    np.testing.assert_allclose(found.sample.effects, [[0.1, 0.5]] * 3)
    np.testing.assert_allclose(found.sample.expected, [[0.3, 0.4, 0.8]] * 3)
    assert found.sample.halves is not None
    np.testing.assert_allclose(found.sample.halves[0], [[0.05, 0.2]] * 3)


def test_without_companions_nothing_is_said_of_them(rows: DataFrame) -> None:
    model = model_of([0.3, 0.4, 0.8], "age")
    found = held_out_sums(
        rows,
        {"model": model},
        ranked="model",
        arms=model.arms,
        value=VALUE,
        how=Evaluation(replicates=20, blocks=10, level=0.95, seed=1),
    )
    assert found.by_response is None
    assert found.sample.halves is None
