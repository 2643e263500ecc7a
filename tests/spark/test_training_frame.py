import numpy as np
import pytest
from pyspark.sql import functions as F

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
from uplift.errors import ContractError
from uplift.experiment.split import split_of
from uplift.spark.training_frame import (
    assignments_of,
    planned_propensity,
    split_column,
    training_frame,
)

pytestmark = pytest.mark.spark

NAMED = (
    "experiment_id string, unit_id string, arm string, assigned_at timestamp, "
    "propensity double, cluster_id string"
)


def build(spark, events, assignments=(("ann", 1, START, None, None),), customers=()):
    return training_frame(
        spark.createDataFrame(list(assignments), ASSIGNMENTS),
        spark.createDataFrame(list(events), EVENTS),
        spark.createDataFrame(list(customers), CUSTOMERS),
        campaign=CAMPAIGN,
        features=FEATURES,
        test_share=0.3,
        salt="s",
    )


def only(frame):
    [row] = frame.collect()
    return row.asDict()


def test_outcomes_look_forward_and_features_back(spark):
    events = [
        ("ann", "purchase", START - 3 * DAY, 20.0),
        ("ann", "visit", START - 8 * DAY, None),
        ("ann", "purchase", START + DAY, 30.0),
        ("ann", "purchase", START + 2 * DAY, 5.5),
        ("ann", "visit", START + DAY, None),
    ]
    row = only(build(spark, events, customers=[("ann", True, 41.0, "north")]))
    assert (row["conversion"], row["revenue"]) == (1.0, 35.5)
    assert (row["purchase_count_7d"], row["purchase_sum_30d"]) == (1.0, 20.0)
    assert (row["purchase_recency_days"], row["visit_count_7d"]) == (3.0, 0.0)
    assert (row["age"], row["region"]) == (41.0, "north")


def test_a_purchase_is_before_the_assignment_or_in_its_window_never_both(spark):
    bought_at = {
        "just before": START - TICK,
        "at assignment": START,
        "last moment": START + 14 * DAY - TICK,
        "too late": START + 14 * DAY,
    }
    events = [(unit, "purchase", at, 2.0) for unit, at in bought_at.items()]
    frame = build(spark, events, [(unit, 1, START, None, None) for unit in bought_at])
    found = frame.select("unit_id", "purchase_count_30d", "conversion", "revenue").collect()
    assert sorted(map(tuple, found)) == [
        ("at assignment", 0.0, 1.0, 2.0),
        ("just before", 1.0, 0.0, 0.0),
        ("last moment", 0.0, 1.0, 2.0),
        ("too late", 0.0, 0.0, 0.0),
    ]


def test_silence_is_zero_not_null(spark):
    row = only(build(spark, [("bob", "purchase", START, 9.0)]))
    assert (row["conversion"], row["revenue"], row["purchase_count_7d"]) == (0.0, 0.0, 0.0)
    assert (row["purchase_recency_days"], row["age"], row["region"]) == (None, None, None)


def test_revenue_is_null_where_no_outcome_event_carries_a_value(spark):
    events = [("ann", "purchase", START, None), ("ann", "visit", START, 7.0)]
    row = only(build(spark, events))
    assert (row["conversion"], row["revenue"]) == (1.0, None)


def test_the_columns_are_those_of_the_training_set_in_order(spark):
    frame = build(spark, [])
    fixed = [
        ("unit_id", "string"),
        ("experiment_id", "string"),
        ("arm", "int"),
        ("propensity", "double"),
        ("cluster_id", "string"),
        ("split", "string"),
        ("conversion", "double"),
        ("revenue", "double"),
        ("age", "double"),
        ("region", "string"),
    ]
    assert frame.dtypes == fixed + [(name, "double") for name in NAMES[2:]]


def test_what_is_not_logged_is_filled_in_from_the_plan(spark):
    assignments = [("ann", 2, START, None, None), ("bob", 0, START, 0.25, "house-2")]
    rows = {row["unit_id"]: row for row in build(spark, [], assignments).collect()}
    ann, bob = rows["ann"], rows["bob"]
    assert (ann["propensity"], ann["cluster_id"]) == (1 / 3, "ann")
    assert (bob["propensity"], bob["cluster_id"]) == (0.25, "house-2")
    sides = split_of(["ann", "bob", "house-2"], test_share=0.3, salt="s").tolist()
    assert sides == ["train", "train", "test"]
    assert [ann["split"], bob["split"]] == ["train", "test"]
    assert ann["experiment_id"] == "coupon"


def test_planned_shares_are_scaled_to_add_up_to_one(spark):
    shares = {"coupon_10": 1.0, "no_coupon": 2.0, "coupon_5": 5.0}
    campaign = CAMPAIGN.model_copy(update={"planned_shares": shares})
    arms = spark.createDataFrame([(0,), (1,), (2,)], "arm int")
    planned = [row[0] for row in arms.select(planned_propensity(campaign)).collect()]
    assert planned == [0.25, 0.625, 0.125]


def test_the_first_assignment_of_a_unit_in_this_experiment_is_kept(spark):
    log = [
        ("coupon", "ann", "coupon_5", START + DAY, 0.5, None),
        ("coupon", "ann", "coupon_10", START, 0.25, "house"),
        ("coupon", "bob", "no_coupon", START, None, None),
        ("coupon", "bob", "no_coupon", START, None, None),
        ("spring", "ann", "coupon_5", START - DAY, 0.1, None),
        ("spring", "cleo", "coupon_5", START, 0.1, None),
    ]
    first = assignments_of(spark.createDataFrame(log, NAMED), "coupon", source="log")
    rows = sorted(tuple(row) for row in first.select("unit_id", "arm", "propensity").collect())
    assert rows == [("ann", "coupon_10", 0.25), ("bob", "no_coupon", None)]


def test_an_experiment_without_rows_is_an_error_that_lists_those_in_the_log(spark):
    log = spark.createDataFrame([("spring", "ann", "coupon_5", START, None, None)], NAMED)
    with pytest.raises(ContractError, match=r"no row of experiment 'coupon'; it has \['spring'\]"):
        assignments_of(log, "coupon", source="log")
    with pytest.raises(ContractError, match="it has no row at all"):
        assignments_of(log.limit(0), "coupon", source="log")


@pytest.mark.parametrize("salt", ["split-1", "", "größe"])
def test_spark_and_numpy_split_every_unit_alike(spark, salt):
    rng = np.random.default_rng(5)
    ids = ["", "ann", "zoë", "顧客-7", "🙂", *(str(rng.integers(1 << 62)) for _ in range(2_000))]
    frame = spark.createDataFrame([(unit,) for unit in ids], "cluster_id string")
    split = split_column(F.col("cluster_id"), test_share=0.4, salt=salt)
    found = {row[0]: row[1] for row in frame.select("cluster_id", split).collect()}
    assert [found[unit] for unit in ids] == split_of(ids, test_share=0.4, salt=salt).tolist()


def test_nothing_that_happens_from_the_assignment_on_moves_a_feature(spark):
    rng = np.random.default_rng(11)
    assigned = {f"u{i}": START + float(rng.uniform(0, 5)) * DAY for i in range(40)}
    assignments = [(unit, i % 3, at, None, None) for i, (unit, at) in enumerate(assigned.items())]
    events = random_events(rng, assigned, 1_500)
    before = [event for event in events if event[2] < assigned[event[0]]]
    after = [event for event in events if event[2] >= assigned[event[0]]]
    assert len(after) > 300
    shuffled = [
        (unit, kind, at, value)
        for (unit, _, at, _), (_, kind, _, value) in zip(
            after, [after[i] for i in rng.permutation(len(after))], strict=True
        )
    ]

    def features(log):
        rows = build(spark, log, assignments).select("unit_id", *NAMES).collect()
        return sorted(map(tuple, rows))

    expected = features(events)
    assert features(before) == expected
    assert features(before + shuffled + shuffled) == expected
