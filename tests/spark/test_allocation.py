from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tests.policy.builders import policy
from uplift.errors import BudgetError
from uplift.policy import REASONS, decide
from uplift.policy.contenders import contenders
from uplift.policy.limits import in_memory
from uplift.policy.pricing import price
from uplift.spark.allocation import allocation_report, decided_customers, price_budget

pytestmark = pytest.mark.spark

N = 600
IDS = [f"u{i:03d}" for i in range(N)]
RANDOM = np.random.default_rng(9)
CONVERSION = RANDOM.uniform(0.0, 0.5, (N, 3))
SAID = pa.array([*(RANDOM.random(N - 1) > 0.1).tolist(), None])
CONTACTABLE = np.array(SAID.fill_null(False))  # not known: not permitted
UNPRICED = policy(holdout_share=0.1, exploration_share=0.1, budget_eur=200.0)


@pytest.fixture(scope="module")
def scores(spark: SparkSession) -> DataFrame:
    """The columns of customer_scores that matter here, and one that does not."""
    return spark.createDataFrame(
        pa.table(
            {
                "unit_id": IDS,
                "decile": [1] * N,
                "contactable": SAID,
                "expected_conversion": CONVERSION.tolist(),
            }
        )
    )


@pytest.fixture(scope="module")
def priced(scores: DataFrame):
    return price_budget(scores, UNPRICED)


@pytest.fixture(scope="module")
def report(scores: DataFrame, priced):
    return allocation_report(decided_customers(scores, priced), priced)


def test_spark_finds_the_prices_that_numpy_finds(priced):
    asked = contenders(UNPRICED, IDS, CONVERSION, None, CONTACTABLE)
    assert priced == price(UNPRICED, in_memory(asked))
    assert priced.shadow_price > 1.0


@pytest.mark.parametrize("partitions", [1, 8])
def test_partitions_and_order_change_nothing(scores, priced, report, partitions):
    shuffled = scores.orderBy(F.rand(partitions)).repartition(partitions)
    assert price_budget(shuffled, UNPRICED) == priced
    assert allocation_report(decided_customers(shuffled, priced), priced) == report


def test_no_budget_has_no_price(scores):
    assert price_budget(scores, replace(UNPRICED, budget_eur=None)).shadow_price == 0.0


def test_a_budget_that_exploration_alone_exceeds_is_refused(scores):
    with pytest.raises(
        BudgetError,
        match=r"exploration alone.*policy\.budget_eur.*Lower `policy\.exploration_share`",
    ):
        price_budget(scores, replace(UNPRICED, budget_eur=1.0))


def test_every_customer_gets_the_decision_of_the_one_rule(scores, priced):
    expected = decide(priced, IDS, CONVERSION, None, CONTACTABLE)
    found = decided_customers(scores, priced).toArrow().sort_by("unit_id")
    assert found["unit_id"].to_pylist() == IDS
    assert found["decision_arm"].to_pylist() == expected.arm.tolist()
    assert found["reason"].to_pylist() == expected.reason.tolist()
    assert found["decision_propensity"].to_pylist() == expected.propensity.tolist()
    assert found["segment"].to_pylist() == expected.segment.tolist()


def test_spend_stays_within_the_budget_explorers_included_and_comes_close(report):
    assert 190.0 < report["expected_spend_eur"] <= 200.0


def test_the_report_adds_up_what_was_decided(report, priced):
    decided = decide(priced, IDS, CONVERSION, None, CONTACTABLE)
    row = np.arange(N)
    zero = np.zeros(N)
    gain = np.c_[zero, decided.gain][row, decided.arm].sum()
    spend = np.c_[zero, decided.cost][row, decided.arm].sum()
    conversions = (CONVERSION[row, decided.arm] - CONVERSION[:, 0]).sum()
    assert report["expected_incremental_margin_eur"] == pytest.approx(gain, abs=1e-6)
    assert report["expected_spend_eur"] == pytest.approx(spend, abs=1e-6)
    assert report["expected_incremental_profit_eur"] == pytest.approx(gain - spend, abs=1e-6)
    assert report["expected_incremental_conversions"] == pytest.approx(conversions, abs=1e-6)
    assert report["duality_gap_eur"] == pytest.approx(priced.shadow_price * (200.0 - spend))


def test_the_report_counts_everybody_once_by_arm_reason_and_segment(report, priced):
    decided = decide(priced, IDS, CONVERSION, None, CONTACTABLE)
    assert report["customers"] == N
    assert report["arms"] == {
        name: int((decided.arm == arm).sum()) for arm, name in enumerate(priced.arms.names)
    }
    for key, of_unit in (("reasons", decided.reason), ("segments", decided.segment)):
        assert report[key] == {name: int((of_unit == name).sum()) for name in report[key]}
        assert sum(report[key].values()) == N
    assert tuple(report["reasons"]) == REASONS
