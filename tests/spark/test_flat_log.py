from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from tests.features.builders import CONF
from uplift.config import EventFeature, Experiment, Features, FlatLog, StaticFeature, load_config
from uplift.errors import ConfigError, ContractError
from uplift.spark.flat_log import flat_customer_features, flat_experiment_units
from uplift.spark.inputs import read_flat_log

pytestmark = pytest.mark.spark

CONFIG = load_config([CONF / "base.yaml", CONF / "examples/hillstrom.yaml"])
RECENCY = Features(static=(StaticFeature(name="recency", kind="numeric"),))
LOG = (
    "unit_id string, arm string, propensity double, conversion double, revenue double, "
    "cluster_id string, recency double"
)
ROWS = [
    ("1", "No E-Mail", None, 0.0, 0.0, "1", 3.0),
    ("2", "Mens E-Mail", 0.5, 1.0, 9.5, "2", None),
    ("3", "Womens E-Mail", None, 0.0, 0.0, "3", 4.0),
]


def build(spark, rows, campaign=CONFIG.campaign, features=RECENCY):
    return flat_experiment_units(
        spark.createDataFrame(rows, LOG),
        campaign=campaign,
        features=features,
        source="log.csv",
    )


def test_a_row_of_the_log_is_a_unit_of_the_experiment(spark):
    assert sorted(map(tuple, build(spark, ROWS).collect())) == [
        ("1", "hillstrom", 0, None, None, "1", 0.0, 0.0, 3.0),
        ("2", "hillstrom", 1, None, 0.5, "2", 1.0, 9.5, None),
        ("3", "hillstrom", 2, None, None, "3", 0.0, 0.0, 4.0),
    ]


def test_a_flat_log_is_one_experiment(spark):
    pooled = CONFIG.campaign.model_copy(update={"experiments": (Experiment(id="may"),)})
    with pytest.raises(ConfigError, match="lists 1 experiments, but a flat log is one"):
        build(spark, ROWS, pooled)


def test_rows_of_ignored_arms_are_left_out_of_training_but_are_customers(spark):
    rows = [*ROWS, ("4", "Catalogue", None, 1.0, 1.0, "4", 5.0)]
    campaign = CONFIG.campaign.model_copy(update={"ignore_arms": ("Catalogue",)})
    assert build(spark, rows, campaign).count() == 3
    customers = flat_customer_features(
        spark.createDataFrame(rows, LOG), features=RECENCY, run_date=date(2008, 3, 20)
    )
    assert customers.count() == 4


def test_everybody_in_the_log_is_a_contactable_customer_as_of_the_run_date(spark):
    customers = flat_customer_features(
        spark.createDataFrame(ROWS[:1], LOG), features=RECENCY, run_date=date(2008, 3, 20)
    )
    assert customers.columns == ["unit_id", "as_of", "contactable", "recency"]
    row = customers.withColumn("as_of", F.date_format("as_of", "yyyy-MM-dd HH:mm:ss")).first()
    assert tuple(row) == ("1", "2008-03-20 00:00:00", True, 3.0)


def test_without_a_run_date_the_day_is_not_made_up(spark):
    log = spark.createDataFrame(ROWS, LOG)
    with pytest.raises(ConfigError, match=r"`run_date` is null.*Set `run_date`"):
        flat_customer_features(log, features=RECENCY, run_date=None)


def test_event_features_cannot_come_from_a_flat_log(spark):
    visits = EventFeature(event_type="visit", aggregates=("count",), window_days=(7,))
    features = Features(static=RECENCY.static, events=(visits,))
    message = r"1 event types \['visit'\], but a flat log has no events"
    with pytest.raises(ConfigError, match=message):
        build(spark, ROWS, features=features)
    with pytest.raises(ConfigError, match=message):
        flat_customer_features(
            spark.createDataFrame(ROWS, LOG), features=features, run_date=date(2008, 3, 20)
        )


def test_revenue_is_known_for_every_row_or_for_none(spark):
    unknown = [(*row[:4], None, *row[5:]) for row in ROWS]
    assert {row["revenue"] for row in build(spark, unknown).collect()} == {None}
    with pytest.raises(ContractError, match=r"revenue is null in 1 of 3 rows of log\.csv"):
        build(spark, [*ROWS[:2], unknown[2]])


@pytest.fixture(scope="module")
def walk(spark, hillstrom: Path):
    """The Hillstrom log as training set, read by the shipped example config."""
    flat_log = CONFIG.inputs.flat_log
    assert isinstance(flat_log, FlatLog)
    given = flat_log.model_copy(update={"path": str(hillstrom)})
    log = read_flat_log(spark, given, CONFIG.features.static, CONFIG.campaign).rows
    frame = flat_experiment_units(
        log,
        campaign=CONFIG.campaign,
        features=CONFIG.features,
        source=str(hillstrom),
    ).cache()
    yield frame
    frame.unpersist()


def test_hillstrom_has_its_published_counts_and_sums(walk):
    sums = walk.groupBy("arm").agg(F.count("*"), F.sum("conversion"), F.sum("revenue"))
    found = {row[0]: (row[1], row[2], round(row[3], 2)) for row in sums.collect()}
    assert found == {
        0: (21_306, 2_262.0, 13_908.33),
        1: (21_307, 3_894.0, 30_311.69),
        2: (21_387, 3_238.0, 23_038.11),
    }


def test_hillstrom_keeps_its_exact_duplicates_as_different_customers(walk):
    assert walk.select("unit_id").distinct().count() == 64_000
    features = [column.name for column in CONFIG.features.static]
    assert (
        walk.select("arm", "conversion", "revenue", *features).distinct().count() == 64_000 - 6_562
    )


def test_hillstrom_subgroups_have_their_published_visit_rates(walk):
    womens_only = walk.where("mens = 0 and womens = 1").groupBy("arm").agg(F.avg("conversion"))
    found = {row[0]: round(row[1], 6) for row in womens_only.collect()}
    assert found == {0: 0.095808, 1: 0.166388, 2: 0.169794}
