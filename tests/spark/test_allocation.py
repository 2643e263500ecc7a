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
from uplift.policy.pricing import GroupShare, price
from uplift.spark.allocation import (
    allocation_report,
    decided_customers,
    price_budget,
    surveyed,
)

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
    return allocation_report(decided_customers(scores, priced.policy), priced)


def test_spark_finds_the_prices_that_numpy_finds(priced):
    asked = contenders(UNPRICED, IDS, CONVERSION, None, CONTACTABLE)
    assert priced == price(UNPRICED, in_memory(asked))
    assert priced.policy.shadow_price > 1.0


@pytest.mark.parametrize("partitions", [1, 8])
def test_partitions_and_order_change_nothing(scores, priced, report, partitions):
    shuffled = scores.orderBy(F.rand(partitions)).repartition(partitions)
    assert price_budget(shuffled, UNPRICED) == priced
    assert allocation_report(decided_customers(shuffled, priced.policy), priced) == report


def test_no_budget_has_no_price(scores):
    assert price_budget(scores, replace(UNPRICED, budget_eur=None)).policy.shadow_price == 0.0


def test_a_budget_that_exploration_alone_exceeds_is_refused(scores):
    with pytest.raises(
        BudgetError,
        match=r"exploration alone.*policy\.budget_eur.*Lower `policy\.exploration_share`",
    ):
        price_budget(scores, replace(UNPRICED, budget_eur=1.0))


def test_every_customer_gets_the_decision_of_the_one_rule(scores, priced):
    expected = decide(priced.policy, IDS, CONVERSION, None, CONTACTABLE)
    found = decided_customers(scores, priced.policy).toArrow().sort_by("unit_id")
    assert found["unit_id"].to_pylist() == IDS
    assert found["decision_arm"].to_pylist() == expected.arm.tolist()
    assert found["reason"].to_pylist() == expected.reason.tolist()
    assert found["decision_propensity"].to_pylist() == expected.propensity.tolist()
    assert found["segment"].to_pylist() == expected.segment.tolist()


def test_spend_stays_within_the_budget_explorers_included_and_comes_close(report):
    assert 190.0 < report["expected_spend_eur"] <= 200.0


def test_the_report_adds_up_what_was_decided(report, priced):
    decided = decide(priced.policy, IDS, CONVERSION, None, CONTACTABLE)
    row = np.arange(N)
    zero = np.zeros(N)
    gain = np.c_[zero, decided.gain][row, decided.arm].sum()
    spend = np.c_[zero, decided.cost][row, decided.arm].sum()
    conversions = (CONVERSION[row, decided.arm] - CONVERSION[:, 0]).sum()
    assert report["expected_incremental_margin_eur"] == pytest.approx(gain, abs=1e-6)
    assert report["expected_spend_eur"] == pytest.approx(spend, abs=1e-6)
    assert report["expected_incremental_profit_eur"] == pytest.approx(gain - spend, abs=1e-6)
    assert report["expected_incremental_conversions"] == pytest.approx(conversions, abs=1e-6)
    assert report["duality_gap_eur"] == pytest.approx(
        priced.policy.shadow_price * (200.0 - spend), abs=1e-4
    )


def test_the_report_counts_everybody_once_by_arm_reason_and_segment(report, priced):
    decided = decide(priced.policy, IDS, CONVERSION, None, CONTACTABLE)
    assert report["customers"] == N
    assert report["arms"] == {
        name: int((decided.arm == arm).sum()) for arm, name in enumerate(priced.policy.arms.names)
    }
    for key, of_unit in (("reasons", decided.reason), ("segments", decided.segment)):
        assert report[key] == {name: int((of_unit == name).sum()) for name in report[key]}
        assert sum(report[key].values()) == N
    assert tuple(report["reasons"]) == REASONS


def test_prices_are_the_same_whether_rows_stay_in_spark_or_come_to_the_driver(scores, priced):
    for partitions in (1, 5):
        with surveyed(scores.repartition(partitions), UNPRICED, few=0) as survey:
            assert price(UNPRICED, survey) == priced


def test_caps_groups_and_eligibility_hold_in_spark(scores):
    """Half the customers live in the north, one in ten may not get the first coupon."""
    north = F.when(F.col("unit_id") < IDS[N // 2], "north").otherwise("south")
    barred = F.col("unit_id").endswith("7")
    asked = scores.withColumns({"group": north, "eligible_arms": F.array(~barred, F.lit(True))})
    limits = {"caps": {"coupon_5": 20}, "shares": {"north": GroupShare(0.2, 0.9)}}
    with surveyed(asked, UNPRICED) as survey:
        found = price(UNPRICED, survey, **limits)
    may_get = np.column_stack([[not unit.endswith("7") for unit in IDS], np.ones(N, dtype=bool)])
    who = contenders(
        UNPRICED,
        IDS,
        CONVERSION,
        None,
        CONTACTABLE,
        eligible=may_get,
        groups=["north" if unit < IDS[N // 2] else "south" for unit in IDS],
    )
    assert price(UNPRICED, in_memory(who), **limits) == found
    rows = decided_customers(asked, found.policy).toPandas()
    assert (rows.decision_arm == 1).sum() <= 20
    assert not ((rows.decision_arm == 1) & rows.unit_id.str.endswith("7")).any()
    in_north = (rows.unit_id < IDS[N // 2]) & rows.unit_id.isin(np.array(IDS)[who.counts])
    assert (rows.decision_arm[in_north] > 0).mean() >= 0.2
    assert rows.expected_spend_eur.sum() <= 200.0
