from datetime import UTC, date, datetime

import numpy as np
import pytest

from tests.features.builders import (
    ASSIGNMENTS,
    CAMPAIGN,
    CUSTOMERS,
    DAY,
    EVENTS,
    FEATURES,
    NAMES,
    START,
    TICK,
    random_events,
)
from uplift.config import RatioFeature
from uplift.errors import ContractError
from uplift.spark.customer_features import customer_features, scoring_time
from uplift.spark.experiment_units import experiment_units

pytestmark = pytest.mark.spark


def build(spark, customers, events, as_of=START):
    return customer_features(
        spark.createDataFrame(customers, CUSTOMERS),
        spark.createDataFrame(events, EVENTS),
        features=FEATURES,
        as_of=as_of,
    )


def test_everybody_is_there_with_what_they_did_before(spark):
    customers = [("ann", True, 41.0, "north"), ("bob", False, None, None)]
    events = [
        ("ann", "purchase", START - TICK, 5.0),
        ("ann", "purchase", START, 7.0),
        ("stranger", "purchase", START - DAY, 9.0),
    ]
    frame = build(spark, customers, events)
    assert frame.columns == ["unit_id", "as_of", "contactable", *NAMES]
    rows = {row["unit_id"]: row for row in frame.collect()}
    assert set(rows) == {"ann", "bob"}
    assert rows["ann"]["purchase_sum_7d"] == 5.0
    assert (rows["bob"]["purchase_sum_7d"], rows["bob"]["purchase_recency_days"]) == (0.0, None)
    assert (rows["ann"]["contactable"], rows["bob"]["contactable"]) == (True, False)


def test_the_as_of_time_is_the_one_asked_for_to_the_microsecond(spark):
    moment = datetime(2026, 3, 10, 23, 59, 59, 999_999, tzinfo=UTC)
    frame = build(spark, [("ann", True, None, None)], [], as_of=moment)
    assert frame.selectExpr("unix_micros(as_of)").first()[0] == 1_773_187_199_999_999


def test_scoring_at_the_moment_of_assignment_gives_the_features_of_training(spark):
    rng = np.random.default_rng(3)
    units = {f"u{i}": START for i in range(30)}
    events = random_events(rng, units, 800)
    customers = [(unit, True, float(i), "north") for i, unit in enumerate(units)]
    trained = experiment_units(
        spark.createDataFrame([(u, "coupon", 1, START, None, None) for u in units], ASSIGNMENTS),
        spark.createDataFrame(events, EVENTS),
        spark.createDataFrame(customers, CUSTOMERS),
        campaign=CAMPAIGN,
        features=FEATURES,
    )
    scored = build(spark, customers, events)

    def features(frame):
        return sorted(map(tuple, frame.select("unit_id", *NAMES).collect()))

    assert features(scored) == features(trained)


def test_ratios_and_dropped_repeats_are_the_same_in_training_and_scoring(spark):
    basket = RatioFeature(
        name="basket", numerator="purchase_sum_7d", denominator="purchase_count_7d"
    )
    features = FEATURES.model_copy(update={"ratios": (basket,), "repeated_events": "drop"})
    events = [
        *[("ann", "purchase", START - DAY, 5.0)] * 2,
        ("ann", "purchase", START - DAY, 7.0),
        *[("ann", "purchase", START + DAY, 9.0)] * 2,
    ]
    log = spark.createDataFrame(events, EVENTS)
    people = spark.createDataFrame([("ann", True, 1.0, "n"), ("bob", True, 1.0, "n")], CUSTOMERS)
    scored = customer_features(people, log, features=features, as_of=START)
    assigned = [(unit, "coupon", 1, START, None, None) for unit in ("ann", "bob")]
    trained = experiment_units(
        spark.createDataFrame(assigned, ASSIGNMENTS),
        log,
        people,
        campaign=CAMPAIGN,
        features=features,
    )
    assert scored.columns[-1] == trained.columns[-1] == "basket"
    for frame in (scored, trained):
        rows = frame.select("unit_id", "purchase_count_7d", "basket").collect()
        assert sorted(map(tuple, rows)) == [("ann", 2.0, 6.0), ("bob", 0.0, None)]
    assert {row["unit_id"]: row["revenue"] for row in trained.collect()} == {"ann": 9.0, "bob": 0.0}


def test_the_run_date_means_its_first_instant_in_utc(spark):
    no_events = spark.createDataFrame([], EVENTS)
    assert scoring_time(no_events, date(2026, 6, 1), source="log") == datetime(
        2026, 6, 1, tzinfo=UTC
    )


@pytest.mark.parametrize("last", [START, START + DAY - TICK])
def test_without_a_run_date_it_is_the_day_after_the_last_event(spark, last):
    events = spark.createDataFrame(
        [("ann", "visit", START - DAY, None), ("ann", "visit", last, None)], EVENTS
    )
    assert scoring_time(events, None, source="log") == START + DAY


def test_without_a_run_date_and_without_events_the_day_cannot_be_told(spark):
    with pytest.raises(ContractError, match=r"log has no event with a time.*Set `run_date`"):
        scoring_time(spark.createDataFrame([], EVENTS), None, source="log")
