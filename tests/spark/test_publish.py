import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from uplift.arms import Arms
from uplift.errors import ContractError
from uplift.spark.publish import (
    published_scores,
    reconcile,
    segment_sizes,
    stamp_of,
    write_published,
)

pytestmark = pytest.mark.spark

ARMS = Arms(("No E-Mail", "Mens E-Mail", "Womens E-Mail"))
AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
SCORES = """unit_id string, as_of timestamp, model_version string, contactable boolean,
    expected_conversion array<double>, cate array<double>, gain array<double>, cost array<double>,
    best_arm int, priority double, segment string, decile int, evidence string,
    arm_evidence array<string>, persuadable_low double, persuadable_high double"""
DECISIONS = "unit_id string, decision_arm int, reason string, decision_propensity double"

Score = tuple[object, ...]


def score(unit_id: str, best_arm: int, priority: float, segment: str, decile: int) -> Score:
    conversion, cate = [0.10, 0.15, 0.12], [0.05, 0.02]
    gain, cost = [5.0, 2.0], [1.0, 0.5]
    arrays = (conversion, cate, gain, cost)
    sure = ("strong", ["strong", "weak"], 0.05, 0.15)
    return (unit_id, AS_OF, "model-1", True, *arrays, best_arm, priority, segment, decile, *sure)


ANN = score("ann", 1, 4.0, "persuadable", 1)
BOB = score("bob", 2, 1.5, "persuadable", 2)
CID = score("cid", 0, -0.5, "lost_cause", 9)
DAN = score("dan", 1, 4.5, "persuadable", 1)
DECIDED = [
    ("ann", 1, "net_value", 0.95),
    ("bob", 0, "holdout", 0.06),
    ("cid", 2, "exploration", 0.01),
    ("dan", 0, "below_threshold", 0.98),
]


def scores(spark: SparkSession, *rows: Score) -> DataFrame:
    return spark.createDataFrame(list(rows), SCORES)


def published(spark: SparkSession, *rows: Score) -> DataFrame:
    decisions = spark.createDataFrame(DECIDED, DECISIONS)
    return published_scores(scores(spark, *rows), decisions, arms=ARMS, policy_version="policy-1")


def by_unit(frame: DataFrame) -> dict[str, Row]:
    return {row.unit_id: row for row in frame.collect()}


def test_arms_get_their_names_in_columns_and_in_values(spark: SparkSession) -> None:
    frame = published(spark, ANN, BOB, CID)
    rows = by_unit(frame)

    assert frame.columns == [
        *("unit_id", "segment", "evidence", "decile"),
        *("net_value_eur", "best_coupon", "decision", "reason"),
        *("decision_propensity", "contactable"),
        *("conversion_no_e_mail", "conversion_mens_e_mail", "conversion_womens_e_mail"),
        *("uplift_mens_e_mail", "uplift_womens_e_mail"),
        *("gain_eur_mens_e_mail", "gain_eur_womens_e_mail"),
        *("cost_eur_mens_e_mail", "cost_eur_womens_e_mail"),
        *("evidence_mens_e_mail", "evidence_womens_e_mail", "persuadable_low", "persuadable_high"),
        *("as_of", "model_version", "policy_version"),
    ]
    assert (rows["ann"].best_coupon, rows["ann"].decision) == ("Mens E-Mail", "Mens E-Mail")
    assert (rows["bob"].best_coupon, rows["bob"].decision) == ("Womens E-Mail", "No E-Mail")
    assert rows["ann"].conversion_womens_e_mail == 0.12
    assert rows["ann"].uplift_mens_e_mail == 0.05
    assert rows["ann"].gain_eur_womens_e_mail == 2.0
    assert rows["ann"].cost_eur_mens_e_mail == 1.0
    assert (rows["ann"].evidence, rows["ann"].evidence_womens_e_mail) == ("strong", "weak")
    assert rows["ann"].policy_version == "policy-1"


def test_where_no_coupon_pays_there_is_no_best_one_but_its_loss_is_known(
    spark: SparkSession,
) -> None:
    row = by_unit(published(spark, CID))["cid"]

    assert row.best_coupon is None
    assert row.net_value_eur == -0.5


def test_files_are_sorted_by_segment_then_value_and_plainly_named(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = write_published(published(spark, CID, ANN, BOB, DAN), tmp_path / "scores")

    files = sorted((tmp_path / "scores").iterdir())
    read = [pq.read_table(file)["unit_id"].to_pylist() for file in files]
    assert rows == 4
    assert [file.name for file in files] == [f"part-0000{number}.parquet" for number in range(3)]
    assert read == [["dan", "ann"], ["bob"], ["cid"]]


def test_order_and_partitions_of_the_input_change_no_byte(
    spark: SparkSession, tmp_path: Path
) -> None:
    many = [
        score(f"u{i:03d}", 1, i % 7 + 0.5, ("persuadable", "sure_thing")[i % 2], i % 10 + 1)
        for i in range(200)
    ]
    decided = spark.createDataFrame([(row[0], 1, "net_value", 0.95) for row in many], DECISIONS)
    digests = []
    for n_partitions, rows in [(1, many), (3, many[::-1]), (8, many[100:] + many[:100])]:
        frame = scores(spark, *rows).repartition(n_partitions)
        wide = published_scores(frame, decided, arms=ARMS, policy_version="p")
        folder = tmp_path / str(n_partitions)
        assert write_published(wide, folder) == 200
        digests.append(
            [(f.name, hashlib.sha256(f.read_bytes()).hexdigest()) for f in sorted(folder.iterdir())]
        )

    assert len(digests[0]) == 10  # odd and even deciles of two segments
    assert digests[0] == digests[1] == digests[2]
    # Spark's own writer gives other bytes in another JVM, which no test in one JVM could see.
    (writer,) = {pq.read_metadata(file).created_by.split()[0] for file in folder.iterdir()}
    assert writer == "parquet-cpp-arrow"


def test_segments_are_counted_with_their_offers_and_empty_ones_are_listed(
    spark: SparkSession,
) -> None:
    assert segment_sizes(published(spark, ANN, BOB, CID, DAN), arms=ARMS) == {
        "persuadable": (3, 1),
        "sure_thing": (0, 0),
        "lost_cause": (1, 1),
        "sleeping_dog": (0, 0),
    }


def test_scores_of_one_night_have_one_stamp(spark: SparkSession) -> None:
    assert stamp_of(scores(spark, ANN, BOB)) == (AS_OF, "model-1")


def test_scores_of_two_models_are_refused(spark: SparkSession) -> None:
    other = (*BOB[:2], "model-2", *BOB[3:])

    with pytest.raises(ContractError, match="scores of 2 or more models and days"):
        stamp_of(scores(spark, ANN, other))


def ids(spark: SparkSession, *unit_ids: str) -> DataFrame:
    return spark.createDataFrame([(unit_id,) for unit_id in unit_ids], "unit_id string")


def test_tables_that_hold_the_same_customers_reconcile(spark: SparkSession) -> None:
    assert reconcile({"a": ids(spark, "ann", "bob"), "b": ids(spark, "bob", "ann")}) == 2


def test_a_customer_missing_here_and_doubled_there_is_found_though_the_counts_agree(
    spark: SparkSession,
) -> None:
    tables = {"a": ids(spark, "ann", "bob"), "b": ids(spark, "bob", "bob")}

    with pytest.raises(ContractError, match=r"'ann' and 1 more of 2 .*\(rows: a 2, b 2\)"):
        reconcile(tables)


def test_nobody_to_publish_is_an_error(spark: SparkSession) -> None:
    with pytest.raises(ContractError, match="no customer to publish"):
        reconcile({"a": ids(spark), "b": ids(spark)})
