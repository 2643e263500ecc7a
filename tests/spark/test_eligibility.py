from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from tests.policy.builders import policy
from tests.serving.builders import ARMS, AS_OF
from uplift.config import Eligibility
from uplift.errors import ContractError
from uplift.spark.allocation import decided_customers
from uplift.spark.eligibility import add_eligible_arms

pytestmark = pytest.mark.spark

IDS = ["ann", "bob", "cid", "dan", "eve"]


@pytest.fixture(scope="module")
def scores(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(
        pa.table(
            {
                "unit_id": IDS,
                "as_of": pa.array([AS_OF] * 5, pa.timestamp("us", "UTC")),
                "contactable": [True] * 5,
                "expected_conversion": [[0.1, 0.6, 0.7]] * 5,
            }
        )
    )


def eligible(scores: DataFrame, spark: SparkSession, rules: Eligibility) -> dict[str, list[bool]]:
    found = add_eligible_arms(scores, spark, rules, arms=ARMS, campaign_id="coupon")
    return {row.unit_id: row.eligible_arms for row in found.collect()}


def suppression(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "suppression.csv"
    path.write_text(text)
    return path


def test_without_rules_nothing_is_added(spark, scores):
    found = add_eligible_arms(scores, spark, Eligibility(), arms=ARMS, campaign_id="coupon")
    assert found.columns == scores.columns


def test_a_list_bars_from_one_coupon_or_from_all(spark, scores, tmp_path):
    path = suppression(tmp_path, "unit_id,arm\nann,\nbob,coupon_10\nbob,coupon_10\nzoe,\n")
    found = eligible(scores, spark, Eligibility(suppression=path))
    assert found == {
        "ann": [False, False],
        "bob": [True, False],
        **{name: [True, True] for name in ("cid", "dan", "eve")},
    }


def test_contacts_count_by_window_and_campaign(spark, scores, tmp_path):
    sent = [
        ("ann", "coupon", "2026-05-20"),
        ("ann", "spring", "2026-05-25"),
        ("bob", "coupon", "2026-05-20"),  # once is not too often
        ("cid", "coupon", "2026-04-01"),  # long ago
        ("cid", "coupon", "2026-05-30"),
        ("dan", "vip", "2026-05-30"),  # an exclusive campaign
        ("eve", "coupon", "2026-06-01"),  # not before the run
        ("eve", "coupon", "2026-06-02"),
    ]
    names = ("unit_id", "campaign_id", "contacted_at")
    path = tmp_path / "contacts.parquet"
    pq.write_table(
        pa.table(dict(zip(names, map(list, zip(*sent, strict=True)), strict=True))), path
    )
    rules = Eligibility(
        contacts=path, window_days=30, most_contacts=2, exclusive_campaigns=("vip", "coupon")
    )
    found = eligible(scores, spark, rules)
    assert {name for name, arms in found.items() if not any(arms)} == {"ann", "dan"}


def test_decisions_respect_the_lists(spark, scores, tmp_path):
    path = suppression(tmp_path, "unit_id,arm\nann,\nbob,coupon_5\n")
    asked = add_eligible_arms(
        scores, spark, Eligibility(suppression=path), arms=ARMS, campaign_id="coupon"
    )
    decided = decided_customers(asked, policy()).orderBy("unit_id").collect()
    assert [(row.decision_arm, row.reason) for row in decided[:3]] == [
        (0, "not_eligible"),
        (2, "net_value"),
        (1, "net_value"),
    ]


def test_a_list_that_cannot_be_read_names_the_key(spark, scores, tmp_path):
    missing = Eligibility(suppression=tmp_path / "none.csv")
    wrong = Eligibility(suppression=suppression(tmp_path, "customer\nann\n"))
    for rules, words in ((missing, "does not exist"), (wrong, r"lacks the columns \['unit_id'\]")):
        with pytest.raises(ContractError, match=words + r".*policy\.eligibility\.suppression"):
            eligible(scores, spark, rules)


def test_an_unknown_arm_on_the_list_is_refused(spark, scores, tmp_path):
    path = suppression(tmp_path, "unit_id,arm\nann,coupon_50\n")
    with pytest.raises(ContractError, match="bars 1 customers from the arm 'coupon_50'"):
        eligible(scores, spark, Eligibility(suppression=path))
