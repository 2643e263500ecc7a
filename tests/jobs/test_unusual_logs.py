"""Logs that nobody randomised, pools of experiments, households: from log to training set."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs import build_training_set
from tests.jobs.builders import Case, check_of, raw_tables
from uplift.workspace import Workspace, read_document

pytestmark = pytest.mark.spark

NO_CHANCE = "experiment.observational={enabled: true, folds: 2, refute: false}"


@pytest.fixture
def case(tmp_path, spark):
    return Case(tmp_path)


def training_set(case):
    assert build_training_set.main(case.options) == 0
    return pq.read_table(case.workspace / "tables/training_set").sort_by(
        [("unit_id", "ascending"), ("experiment_id", "ascending")]
    )


def confounded_rows(n=900, seed=3):
    """The old get coupons and buy more of themselves; coupons themselves do nothing."""
    rng = np.random.default_rng(seed)
    age = rng.integers(20, 80, n)
    arm = (rng.random((n, 2)) < ((age + 25) / 130)[:, None]).sum(axis=1)
    bought = rng.random(n) < age / 100
    names = ("no_coupon", "coupon_5", "coupon_10")
    return [
        f"u{i},{names[arm[i]]},{int(bought[i])},{2.5 * bought[i]},{age[i]},{i % 3}"
        for i in range(n)
    ]


def test_a_log_that_nobody_randomised_is_refused_until_conf_says_so_and_then_weighted(case):
    log = confounded_rows()
    assert case.flat(log) == 2
    assert check_of(case.report, "imbalance")["verdict"] == "fail"

    assert case.flat(log, "--set", NO_CHANCE) == 0
    report = case.report
    assert (report["verdict"], check_of(report, "imbalance")["verdict"]) == ("warn", "fail")
    before, after = report["observational"]["largest_imbalance"]
    assert after < before / 3
    for effect in report["observational"]["effects"]:
        found = effect["doubly_robust"]
        assert abs(found["value"]) < 3 * found["standard_error"]
        assert abs(effect["naive"]["value"]) > 3 * effect["naive"]["standard_error"]

    table = training_set(case)
    units = table["unit_id"].to_pylist()
    by_chance = dict(zip(units, table["propensity"].to_pylist(), strict=True))
    assert len(set(by_chance.values())) > 50  # nobody drew them with a third each
    estimated = pq.read_table(case.workspace / "tables/propensities").to_pylist()
    arms = dict(zip(units, table["arm"].to_pylist(), strict=True))
    kept = {row["unit_id"]: row["propensities"] for row in estimated if not row["is_trimmed"]}
    assert kept.keys() == arms.keys()
    assert all(by_chance[unit] == kept[unit][arm] for unit, arm in arms.items())
    assert dict(zip(units, table["propensities"].to_pylist(), strict=True)) == kept


def pooled_tables():
    """Two experiments: all units in both, a month apart, one arm further in the second."""
    assignments, events, customers = raw_tables()
    arms = ("no_coupon", "coupon_5", "coupon_10")
    second = [f"june,u{i},{arms[(i + 1) % 3]},2026-02-09T00:00:00Z,," for i in range(120)]
    last = ["u0,visit,2026-03-24T00:00:00Z,"]
    return [*assignments, *second], [*events, *last], customers


POOL = (
    "campaign.experiments=[{id: test}, "
    "{id: june, planned_shares: {no_coupon: 2, coupon_5: 1, coupon_10: 1}}]"
)


def test_each_pooled_experiment_is_judged_by_its_own_plan_and_the_worst_verdict_counts(case):
    each = ("--set", POOL, "--set", "campaign.rows_per_unit=each_experiment")
    assert case.raw(*pooled_tables(), *each) == 2
    path = Workspace(case.workspace).report("experiment")
    document = read_document(path, made_by="check_experiment")
    ratios = {
        report["experiment_id"]: check_of(report, "sample_ratio")["verdict"]
        for report in document["experiments"]
    }
    assert ratios == {"test": "pass", "june": "warn"}
    assert (document["verdict"], document["is_refused"]) == ("fail", True)
    assert {page.name for page in path.parent.glob("*.html")} == {
        "experiment-test.html",
        "experiment-june.html",
    }


def test_a_unit_of_two_experiments_is_a_row_in_each_or_counts_where_it_was_first(case, capsys):
    fair = "experiment.override_failed_verdict_by=ann"
    each = ("--set", POOL, "--set", fair, "--set", "campaign.rows_per_unit=each_experiment")
    assert case.raw(*pooled_tables(), *each) == 0
    table = training_set(case)
    assert table.num_rows == 240
    both = table.slice(0, 2).to_pylist()
    assert [row["experiment_id"] for row in both] == ["june", "test"]
    assert [row["arm"] for row in both] == [1, 0]
    assert [row["propensity"] for row in both] == [1 / 4, 1 / 3]
    assert [row["purchase_count_30d"] for row in both] == [0.0, 1.0]

    assert case.raw(*pooled_tables(), "--set", POOL) == 2
    assert "'june' has no unit left in 3 of 3 arms" in capsys.readouterr().err


def test_a_household_is_one_draw_also_in_a_flat_log(case):
    names = ("no_coupon", "coupon_5", "coupon_10")
    lines = [
        f"u{i},{names[i // 2 % 3]},{i % 2},2.5,{20 + i % 2},{i % 2},h{i // 2}" for i in range(240)
    ]
    header = "who,group,bought,spent,age,zip,house"
    by_house = ("--set", "inputs.flat_log.cluster_id=house")
    assert case.flat(lines, *by_house, header=header) == 0
    found = check_of(case.report, "sample_ratio")["message"]
    assert "the arms hold 40, 40, 40 randomisation units" in found
