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
from uplift.errors import ContractError
from uplift.spark.experiment_units import (
    assignments_of,
    experiment_units,
    first_assignments,
    in_their_clusters_arm,
)

pytestmark = pytest.mark.spark

NAMED = (
    "experiment_id string, unit_id string, arm string, assigned_at timestamp, "
    "propensity double, cluster_id string"
)


def build(spark, events, assignments=(("ann", "coupon", 1, START, None, None),), customers=()):
    return experiment_units(
        spark.createDataFrame(list(assignments), ASSIGNMENTS),
        spark.createDataFrame(list(events), EVENTS),
        spark.createDataFrame(list(customers), CUSTOMERS),
        campaign=CAMPAIGN,
        features=FEATURES,
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
    frame = build(spark, events, [(u, "coupon", 1, START, None, None) for u in bought_at])
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


def test_the_columns_are_those_of_the_table_in_order(spark):
    frame = build(spark, [])
    fixed = [
        ("unit_id", "string"),
        ("experiment_id", "string"),
        ("arm", "int"),
        ("assigned_at", "timestamp"),
        ("propensity", "double"),
        ("cluster_id", "string"),
        ("conversion", "double"),
        ("revenue", "double"),
        ("age", "double"),
        ("region", "string"),
    ]
    assert frame.dtypes == fixed + [(name, "double") for name in NAMES[2:]]


def test_a_unit_without_a_cluster_is_its_own_and_a_propensity_not_logged_stays_null(spark):
    assignments = [
        ("ann", "coupon", 2, START, None, None),
        ("bob", "coupon", 0, START, 0.25, "house-2"),
    ]
    found = build(spark, [], assignments).select("unit_id", "propensity", "cluster_id").collect()
    assert sorted(map(tuple, found)) == [("ann", None, "ann"), ("bob", 0.25, "house-2")]


LOG = [
    ("coupon", "ann", "coupon_5", START + DAY, 0.5, None),
    ("coupon", "ann", "coupon_10", START, 0.25, "house"),
    ("coupon", "bob", "no_coupon", START, None, None),
    ("coupon", "bob", "no_coupon", START, None, None),
    ("spring", "ann", "coupon_5", START - DAY, 0.1, None),
    ("spring", "cleo", "coupon_5", START, 0.1, None),
]


@pytest.mark.parametrize(
    ("experiments", "rows_per_unit", "kept"),
    [
        (
            ["coupon"],
            "first",
            [("ann", "coupon", "coupon_10", 0.25), ("bob", "coupon", "no_coupon", None)],
        ),
        (
            ["coupon", "spring"],
            "first",
            [
                ("ann", "spring", "coupon_5", 0.1),
                ("bob", "coupon", "no_coupon", None),
                ("cleo", "spring", "coupon_5", 0.1),
            ],
        ),
        (
            ["coupon", "spring"],
            "each_experiment",
            [
                ("ann", "coupon", "coupon_10", 0.25),
                ("ann", "spring", "coupon_5", 0.1),
                ("bob", "coupon", "no_coupon", None),
                ("cleo", "spring", "coupon_5", 0.1),
            ],
        ),
    ],
    ids=["one", "pooled", "pooled, a row each"],
)
def test_the_first_assignment_of_a_unit_is_kept(spark, experiments, rows_per_unit, kept):
    ours = assignments_of(spark.createDataFrame(LOG, NAMED), experiments, source="log")
    first = first_assignments(ours, rows_per_unit=rows_per_unit)
    rows = first.select("unit_id", "experiment_id", "arm", "propensity").collect()
    assert sorted(map(tuple, rows)) == kept


def test_an_experiment_without_rows_is_an_error_that_lists_those_in_the_log(spark):
    log = spark.createDataFrame([("spring", "ann", "coupon_5", START, None, None)], NAMED)
    with pytest.raises(ContractError, match=r"no row of experiment 'coupon'; it has \['spring'\]"):
        assignments_of(log, ["spring", "coupon"], source="log")
    with pytest.raises(ContractError, match="it has no row at all"):
        assignments_of(log.limit(0), ["coupon"], source="log")


def test_a_member_who_drew_another_arm_than_the_household_did_first_is_left_out(spark):
    drawn = [
        ("ann", "coupon", 1, START, None, "house"),
        ("bob", "coupon", 2, START + DAY, None, "house"),
        ("cleo", "coupon", 1, START + DAY, None, "house"),
        ("ann", "spring", 2, START + 2 * DAY, None, "house"),
    ]
    kept = in_their_clusters_arm(spark.createDataFrame(drawn, ASSIGNMENTS))
    found = kept.select("unit_id", "experiment_id").collect()
    assert sorted(map(tuple, found)) == [("ann", "coupon"), ("ann", "spring"), ("cleo", "coupon")]


def test_a_unit_in_two_experiments_has_the_features_as_of_each(spark):
    assignments = [
        ("ann", "coupon", 1, START, None, None),
        ("ann", "spring", 0, START + 9 * DAY, None, None),
    ]
    events = [("ann", "purchase", START - DAY, 5.0), ("ann", "purchase", START + DAY, 7.0)]
    frame = build(spark, events, assignments, customers=[("ann", True, 41.0, "north")])
    found = frame.select("experiment_id", "purchase_sum_7d", "purchase_sum_30d", "revenue")
    assert sorted(map(tuple, found.collect())) == [
        ("coupon", 5.0, 5.0, 7.0),
        ("spring", 0.0, 12.0, 0.0),
    ]


def test_nothing_that_happens_from_the_assignment_on_moves_a_feature(spark):
    rng = np.random.default_rng(11)
    assigned = {f"u{i}": START + float(rng.uniform(0, 5)) * DAY for i in range(40)}
    assignments = [
        (unit, "coupon", i % 3, at, None, None) for i, (unit, at) in enumerate(assigned.items())
    ]
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
