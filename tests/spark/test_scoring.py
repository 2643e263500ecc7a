import math

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tests.serving.builders import ARMS, customers, model
from uplift.ensemble import constant
from uplift.errors import ContractError
from uplift.features.encoder import fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.learners.model import UpliftModel
from uplift.policy import ValueRule, appraise
from uplift.spark.scoring import (
    add_decile,
    add_expected_outcomes,
    average_control_conversion,
    score_customers,
)

pytestmark = pytest.mark.spark

VALUE = ValueRule("conversion", 30.0, 0.5, (0.1, 0.1), (5.0, 10.0))
BY_REVENUE = ValueRule("revenue", 30.0, 0.5, (0.1, 0.1), (5.0, 10.0))
FEATURES = customers()
N = FEATURES.num_rows
EXPECTED = model().expected_outcome(model().encoder.encode(FEATURES))


def with_revenue() -> UpliftModel:
    conversion, encoder = model().ensembles["conversion"], model().encoder
    revenue = constant([2.0, 9.0, 4.0], n_features=2)
    return UpliftModel(ARMS, encoder, {"conversion": conversion, "revenue": revenue})


def all_alike(control_conversion: float) -> UpliftModel:
    same = constant([control_conversion] * 3, n_features=2)
    return UpliftModel(ARMS, model().encoder, {"conversion": same})


def scored(
    features: DataFrame,
    fitted: UpliftModel | None = None,
    *,
    value: ValueRule = VALUE,
    sure_thing_conversion: float | None = None,
) -> pa.Table:
    """The scores in the order of the ids."""
    with score_customers(
        features,
        fitted or model(),
        value=value,
        sure_thing_conversion=sure_thing_conversion,
        harm_tolerance=0.005,
    ) as scores:
        return scores.toArrow().sort_by("unit_id")


@pytest.fixture(scope="module")
def features(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(FEATURES)


@pytest.fixture(scope="module")
def scores(features: DataFrame) -> pa.Table:
    return scored(features)


def test_every_customer_gets_the_models_own_expectations_to_the_last_bit(features):
    found = add_expected_outcomes(features, model()).toArrow().sort_by("unit_id")
    assert found["unit_id"].to_pylist() == FEATURES["unit_id"].to_pylist()
    assert found["expected_conversion"].to_pylist() == EXPECTED.tolist()


def test_what_is_no_feature_stays_and_names_may_have_dots(features):
    encoder = fit_encoder([FeatureColumn("years.of-age", "numeric")], {})
    fitted = UpliftModel(ARMS, encoder, {"conversion": constant([0.1, 0.2, 0.3], n_features=1)})
    dotted = features.withColumnsRenamed({"age": "years.of-age", "city": "home.city"})
    found = add_expected_outcomes(dotted, fitted)
    assert found.columns == ["unit_id", "as_of", "contactable", "home.city", "expected_conversion"]
    assert found.toArrow()["as_of"].to_pylist() == FEATURES["as_of"].to_pylist()


def test_missing_features_are_named_before_any_task_starts(features):
    with pytest.raises(ContractError, match=r"1 of 2 features are missing: \['city'\]"):
        add_expected_outcomes(features.drop("city"), model())


def test_a_feature_of_another_kind_is_refused_before_any_task_starts(features):
    with pytest.raises(ContractError, match="'age' is numeric"):
        add_expected_outcomes(features.withColumn("age", F.lit("old")), model())


def test_the_table_has_the_columns_that_later_jobs_read(scores):
    types = {field.name: str(field.type) for field in scores.schema}
    assert types == {
        "unit_id": "string",
        "as_of": "timestamp[us, tz=UTC]",
        "model_version": "string",
        "contactable": "bool",
        "expected_conversion": "list<element: double not null>",
        "cate": "list<element: double not null>",
        "gain": "list<element: double not null>",
        "cost": "list<element: double not null>",
        "best_arm": "int32",
        "priority": "double",
        "segment": "string",
        "evidence": "string",
        "arm_evidence": "list<element: string not null>",
        "persuadable_low": "double",
        "persuadable_high": "double",
        "decile": "int32",
    }
    assert set(scores["model_version"].to_pylist()) == {model().version}


def test_worth_and_segment_are_those_of_the_policy_room(scores):
    appraisal = appraise(
        EXPECTED,
        None,
        value=VALUE,
        sure_thing_conversion=float(EXPECTED[:, 0].mean()),
        harm_tolerance=0.005,
    )
    for name, value in vars(appraisal).items():
        assert scores[name].to_pylist() == value.tolist(), name
    assert len(set(scores["segment"].to_pylist())) == 4
    np.testing.assert_array_equal(scores["cate"].to_pylist(), EXPECTED[:, 1:] - EXPECTED[:, :1])


@pytest.mark.parametrize("partitions", [1, 2, 8])
def test_partitions_and_order_change_nothing(features, scores, partitions):
    shuffled = features.orderBy(F.rand(partitions)).repartition(partitions)
    assert scored(shuffled).equals(scores)


def test_the_average_control_conversion_is_exact_and_knows_no_order(features):
    expected = add_expected_outcomes(features, model())
    averages = {average_control_conversion(expected.repartition(n)) for n in (1, 3, 8)}
    assert len(averages) == 1
    assert averages.pop() == pytest.approx(EXPECTED[:, 0].mean(), abs=1e-9)


@pytest.mark.parametrize("control_conversion", [0.1, 1.0 / 3.0, 0.07])
def test_when_all_are_alike_all_convert_as_often_as_the_average(features, control_conversion):
    """However the average is rounded: not one half sure things and the other half lost causes."""
    found = scored(features, all_alike(control_conversion))
    assert set(found["segment"].to_pylist()) == {"sure_thing"}
    assert set(found["decile"].to_pylist()) == {1}


def test_nobody_to_score_is_a_clear_error(features):
    with pytest.raises(ContractError, match=r"0 rows.*build_customer_features"):
        scored(features.where("false"))


def test_a_given_threshold_goes_before_the_average(features):
    found = scored(features, sure_thing_conversion=0.6)
    assert set(found["segment"].to_pylist()) == {"persuadable", "lost_cause", "sleeping_dog"}


def test_revenue_is_there_if_the_model_knows_it(features):
    found = scored(features, with_revenue(), value=BY_REVENUE)
    assert found["expected_revenue"].to_pylist() == [[2.0, 9.0, 4.0]] * N
    assert found["gain"].to_pylist() == [[3.5, 1.0]] * N


def test_a_value_of_revenue_needs_a_model_of_revenue(features):
    with pytest.raises(ContractError, match="is 'revenue', but the model expects no revenue"):
        scored(features, value=BY_REVENUE)


def test_what_was_kept_on_the_way_is_let_go(spark, features):
    before = len(spark.sparkContext._jsc.getPersistentRDDs())
    scored(features)
    assert len(spark.sparkContext._jsc.getPersistentRDDs()) == before


@pytest.mark.parametrize(("n", "digits"), [(7, 12), (1003, 12), (1003, 0)])
def test_a_decile_counts_the_tenths_of_customers_who_stand_higher(spark, n, digits):
    priority = np.random.default_rng(n).normal(size=n).round(digits)
    frame = spark.createDataFrame(pa.table({"priority": priority})).repartition(3)
    found = add_decile(frame).toArrow()
    higher = [(priority > value).sum() for value in found["priority"].to_numpy()]
    assert found["decile"].to_pylist() == [1 + math.floor(10 * k / n) for k in higher]
