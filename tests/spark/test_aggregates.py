import numpy as np
import pandas as pd
import pytest

from tests.features.builders import CONF
from uplift.arms import Arms
from uplift.config import FlatLog, StaticFeature, load_config
from uplift.experiment import counts as in_memory
from uplift.experiment.counts import difference_in_means, standardized_mean_difference
from uplift.spark.aggregates import arm_counts, draws
from uplift.spark.contracts import require_known_arms
from uplift.spark.inputs import read_flat_log

pytestmark = pytest.mark.spark

ASSIGNED = (
    "unit_id string, cluster_id string, arm int, assigned_at timestamp_ntz, propensity double"
)


def assert_same(ours, expected):
    assert ours.columns == expected.columns
    assert ours.n.tolist() == expected.n.tolist()
    assert ours.n_null.tolist() == expected.n_null.tolist()
    np.testing.assert_allclose(ours.total, expected.total, rtol=1e-12)
    np.testing.assert_allclose(
        ours.squared_deviations, expected.squared_deviations, rtol=1e-9, atol=1e-9
    )


def test_spark_and_numpy_take_the_same_sums(spark):
    generator = np.random.default_rng(5)
    n = 500
    arm = generator.integers(0, 3, n)
    age = np.where(generator.random(n) < 0.1, np.nan, generator.normal(40, 9, n))
    born = 1e6 + generator.random(n)
    zips = [f"z{i}" if i < 70 else None for i in generator.integers(0, 80, n)]
    rows = [
        (int(a), None if np.isnan(b) else float(b), float(c), z)
        for a, b, c, z in zip(arm, age, born, zips, strict=True)
    ]
    frame = spark.createDataFrame(rows, "arm int, age double, `born.at` double, zip string")

    ours = arm_counts(frame.repartition(5), ["age", "born.at"], ["zip"], n_arms=3)

    numeric = {"age": age, "born.at": born}
    assert_same(ours, in_memory.arm_counts(arm, numeric, {"zip": zips}, n_arms=3))


def test_an_arm_without_rows_has_zeros(spark):
    frame = spark.createDataFrame([(0, 1.0), (2, 3.0)], "arm int, age double")
    ours = arm_counts(frame, ["age"], n_arms=4)
    assert_same(ours, in_memory.arm_counts([0, 2], {"age": [1.0, 3.0]}, n_arms=4))


def test_a_frame_without_features_still_counts_its_arms(spark):
    frame = spark.createDataFrame([(0,), (1,), (1,)], "arm int")
    assert arm_counts(frame, [], n_arms=2).n.tolist() == [1, 2]


def test_hillstrom_through_spark_gives_the_published_figures(spark, hillstrom):
    flat_log = FlatLog(
        path=str(hillstrom), format="csv", arm="segment", conversion="visit", revenue="spend"
    )
    kinds = dict.fromkeys(("recency", "history", "mens", "womens", "newbie"), "numeric")
    kinds |= dict.fromkeys(("zip_code", "channel"), "categorical")
    features = [StaticFeature(name=name, kind=kind) for name, kind in kinds.items()]
    arms = Arms(("No E-Mail", "Mens E-Mail", "Womens E-Mail"))
    campaign = load_config([CONF / "base.yaml", CONF / "examples/hillstrom.yaml"]).campaign
    log = read_flat_log(spark, flat_log, features, campaign).rows
    log = require_known_arms(log, arms, source="hillstrom").persist()

    covariates = arm_counts(log, list(kinds)[:5], list(kinds)[5:], n_arms=3)
    effects = difference_in_means(arm_counts(log, ["conversion", "revenue"], n_arms=3))
    log.unpersist()

    rows = pd.read_csv(hillstrom)
    expected = in_memory.arm_counts(
        rows["segment"].map(arms.numbers()),
        {name: rows[name] for name in list(kinds)[:5]},
        {name: rows[name].tolist() for name in list(kinds)[5:]},
        n_arms=3,
    )
    assert_same(covariates, expected)
    largest = float(np.abs(standardized_mean_difference(covariates)).max())
    assert round(largest, 5) == 0.01366
    assert effects.difference.round(6).tolist() == [[0.076590, 0.769827], [0.045233, 0.424412]]
    assert effects.standard_error.round(6).tolist() == [
        [0.003386, 0.145247],
        [0.003234, 0.130333],
    ]


def day(number):
    return pd.Timestamp(2026, 1, number).to_pydatetime()


def test_draws_count_what_was_drawn_not_who_was_in_it(spark):
    rows = [
        ("ann", "home", 0, day(1), 0.5),
        ("bob", "home", 0, day(1), 0.5),
        ("eve", "eve", 1, day(1), 0.4),
        ("joe", "joe", 1, day(2), None),
        ("joe", "joe", 0, day(3), 0.6),
    ]
    frame = spark.createDataFrame(rows, ASSIGNED)

    found = draws(frame, n_arms=3)

    assert found.n.tolist() == [1, 2, 0]  # joe was in arm 1 first
    assert found.n_in_two_arms == 1
    assert found.n_assignments.tolist() == [3, 2, 0]
    assert found.n_without_propensity.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(found.lowest_propensity, [0.5, 0.4, np.nan])
    np.testing.assert_array_equal(found.highest_propensity, [0.6, 0.4, np.nan])
    assert found.n_after_last_event is None


@pytest.mark.parametrize(
    ("last_day", "late", "still_open"), [(1, 2, 3), (2, 1, 3), (3, 0, 3), (5, 0, 1), (6, 0, 0)]
)
def test_a_late_assignment_has_no_outcome_and_a_window_beyond_the_log_is_open(
    spark, last_day, late, still_open
):
    rows = [(str(number), str(number), 0, day(number), None) for number in (1, 2, 3)]
    frame = spark.createDataFrame(rows, ASSIGNED)
    frame = frame.withColumn("assigned_at", frame.assigned_at.cast("timestamp"))
    last_us = int(pd.Timestamp(day(last_day), tz="UTC").timestamp()) * 1_000_000

    found = draws(frame, n_arms=1, last_event_us=last_us, window_days=4)

    assert (found.n_after_last_event, found.n_open) == (late, still_open)
    assert found.n_logged_afterwards is None


def test_an_assignment_logged_when_its_window_was_over_is_counted(spark):
    rows = [("ann", "ann", 0, day(1), None, day(4)), ("bob", "bob", 0, day(1), None, day(5))]
    frame = spark.createDataFrame(rows, f"{ASSIGNED}, logged_at timestamp_ntz")
    for name in ("assigned_at", "logged_at"):
        frame = frame.withColumn(name, frame[name].cast("timestamp"))
    assert draws(frame, n_arms=1, last_event_us=0, window_days=4).n_logged_afterwards == 1


def test_a_repeat_is_an_assignment_of_a_unit_that_was_assigned_before(spark):
    rows = [
        ("ann", "home", 0, day(1), None),
        ("bob", "home", 0, day(1), None),
        ("bob", "home", 0, day(2), None),
        ("eve", "eve", 1, day(1), None),
        ("eve", "eve", 0, day(3), None),
    ]
    found = draws(spark.createDataFrame(rows, ASSIGNED), n_arms=2)
    assert (found.n_repeated, found.n_in_two_arms) == (2, 1)
