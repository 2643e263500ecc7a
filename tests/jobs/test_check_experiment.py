import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.jobs.builders import (
    BASE,
    LAST,
    Case,
    E,
    check_of,
    judge,
    raw_tables,
    report_of,
    rows,
)
from uplift.config import Tracking
from uplift.tracking.store import open_store
from uplift.workspace import Workspace

pytestmark = pytest.mark.spark

HILLSTROM = [*BASE, "--config", str(ROOT / "conf/examples/hillstrom.yaml")]


@pytest.fixture
def case(tmp_path, spark):
    return Case(tmp_path)


def test_a_sound_log_passes_and_its_report_is_written(case):
    assert case.flat(rows(30, 30, 30)) == 0
    assert case.report["verdict"] == "pass"
    assert [arm["n_units"] for arm in case.report["arms"]] == [30, 30, 30]
    assert {effect["outcome"] for effect in case.report["effects"]} == {"conversion", "revenue"}


def test_the_same_log_gives_the_same_bytes_of_report_and_page(case):
    workspace = Workspace(case.workspace)
    paths = [workspace.report("experiment"), workspace.page("experiment-test")]
    case.flat(rows(30, 30, 30))
    first = [path.read_bytes() for path in paths]
    case.flat(rows(30, 30, 30))
    assert [path.read_bytes() for path in paths] == first


def test_a_missing_file_is_named_and_its_traceback_comes_only_when_asked_for(case, capsys):
    elsewhere = ["--log", str(case.folder / "absent.csv")]
    assert case.flat([], *elsewhere) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"error: {case.folder}/absent.csv does not exist. Check `inputs.flat_log.path`."
    )
    assert case.flat([], *elsewhere, "--traceback") == 2
    assert capsys.readouterr().err.startswith("Traceback")


def test_a_failed_check_refuses_after_the_report_is_written(case, capsys):
    assert case.flat(rows(90, 10, 10)) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "error: experiment 'test' fails 1 of 10 checks: the arms hold 90, 10, 10"
    )
    assert "experiment.override_failed_verdict_by" in line
    assert "reports/experiment-test.html" in line
    assert case.report["verdict"] == "fail"
    assert case.report["overridden_by"] is None


def test_a_name_overrides_a_failed_check_and_stands_in_the_report(case, capsys):
    assert case.flat(rows(90, 10, 10), "--set", "experiment.override_failed_verdict_by=ann") == 0
    assert (case.report["verdict"], case.report["overridden_by"]) == ("fail", "ann")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    warned = [line["event"] for line in lines if line["level"] == "warning"]
    assert warned == ["run.not_logged", "experiment.checked"]


def test_a_failed_check_is_overridden_by_its_name_and_a_wrong_name_is_refused(case, capsys):
    by_name = "experiment.overrides={sample_ratio: 'ann: a gap'}"
    assert case.flat(rows(90, 10, 10), "--set", by_name) == 0
    assert (case.report["verdict"], case.report["overridden_by"]) == ("warn", None)
    found = check_of(case.report, "sample_ratio")
    assert (found["verdict"], found["overridden_by"]) == ("fail", "ann: a gap")
    capsys.readouterr()

    assert case.flat(rows(9, 9, 9), "--set", "experiment.overrides={sample_ration: ann}") == 2
    assert "did you mean `sample_ratio`?" in capsys.readouterr().err


def test_planned_shares_by_name_reach_the_check_by_number(case):
    shares = "campaign.planned_shares={coupon_10: 0.1, no_coupon: 0.8, coupon_5: 0.1}"
    assert case.flat(rows(80, 10, 10), "--set", shares) == 0
    assert check_of(case.report, "sample_ratio")["value"] == 1.0


def test_three_raw_tables_are_judged_as_they_would_be_learned_from(case):
    assignments, events, customers = raw_tables()
    assert case.raw(assignments, [*events, LAST], customers) == 0
    assert case.report["verdict"] == "pass"
    effects = {(e["outcome"], e["arm"]): e["difference"] for e in case.report["effects"]}
    assert effects == {
        ("conversion", "coupon_5"): 0.0,
        ("conversion", "coupon_10"): 1.0,
        ("revenue", "coupon_5"): 0.0,
        ("revenue", "coupon_10"): 9.0,
    }


def test_two_arms_late_assignments_and_gaps_in_propensities_are_doubted(case):
    assignments, events, customers = raw_tables()
    assignments.append("test,u0,coupon_5,2026-02-01T00:00:00Z,0.3,")
    assert case.raw(assignments, events, customers) == 2
    verdicts = {check["name"]: check["verdict"] for check in case.report["checks"]}
    assert verdicts == {
        "sample_ratio": "pass",
        "imbalance": "pass",
        "two_sample": "pass",
        "one_arm_each": "warn",
        "repeated_assignments": "pass",  # 1 of 121
        "logged_propensities": "warn",
        "propensity_floor": "pass",
        "effective_sample_size": "pass",
        "assigned_in_time": "warn",
        "window_closed": "fail",  # the log ends two days after the draw
        "repeated_events": "pass",
        "missing_outcomes": "pass",
        "placebo_effect": "pass",
        "power": "pass",
    }


def test_doubled_events_another_experiment_and_effects_before_the_draw_are_found(case):
    assignments, events, customers = raw_tables()
    assignments += [f"other,u{i},x,2026-01-09T00:00:00Z,," for i in range(0, 120, 3)]
    bought_before = [f"u{i},purchase,2026-01-05T00:00:00Z,9" for i in range(120) if i % 3 == 1]
    events = [E, *[line for line in events[1:] if line not in bought_before], *events[-2:], LAST]
    anyhow = "experiment.override_failed_verdict_by=ann"
    assert case.raw(assignments, events, customers, "--set", anyhow) == 0
    found = {name: check_of(case.report, name) for name in ("contamination", "placebo_effect")}
    assert {name: check["verdict"] for name, check in found.items()} == dict.fromkeys(found, "fail")
    assert "40 of 120 units were in another experiment" in found["contamination"]["message"]
    assert "2 of 123 events" in check_of(case.report, "repeated_events")["message"]


def test_another_experiments_rows_do_not_count_and_an_absent_one_is_named(case, capsys):
    assignments, events, customers = raw_tables()
    assignments += [f"other,v{i},no_coupon,2026-01-10T00:00:00Z,," for i in range(90)]
    events.append(LAST)
    assert case.raw(assignments, events, customers) == 0
    assert check_of(case.report, "sample_ratio")["value"] == 1.0
    capsys.readouterr()

    assert case.raw(assignments, events, customers, "--set", "campaign.id=absent") == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert "no row of experiment 'absent'; it has ['other', 'test']" in line


def test_hillstrom_passes_with_the_published_figures_and_mlflow_keeps_them(
    spark, hillstrom, tmp_path
):
    options = ["--log", str(hillstrom), "--set", f"workspace={tmp_path}"]
    assert judge([*HILLSTROM, *options]) == 0

    report = report_of(tmp_path)
    assert report["verdict"] == "pass"
    assert round(check_of(report, "imbalance")["value"], 5) == 0.01366
    figures = [(e["difference"], e["standard_error"]) for e in report["effects"]]
    assert [(round(d, 6), round(s, 6)) for d, s in figures] == [
        (0.076590, 0.003386),
        (0.045233, 0.003234),
        (0.769827, 0.145247),
        (0.424412, 0.130333),
    ]
    assert check_of(report, "two_sample")["value"] > 0.01

    tracking = Tracking(uri=None, experiment="uplift", registered_model="any")
    store = open_store(tracking, Workspace(tmp_path))
    (run,) = store.client.search_runs([store.experiment_id])
    assert (run.info.run_name, run.data.tags["verdict"]) == ("check_experiment", "pass")
    assert round(run.data.metrics["effect.conversion.Mens E-Mail"], 6) == 0.076590
    files = {file.path for file in store.client.list_artifacts(run.info.run_id, "pages")}
    assert files == {"pages/experiment.html"}


def test_spark_submit_runs_the_job_file_with_the_same_exit_status(tmp_path):
    command = [str(Path(sys.executable).with_name("spark-submit")), "--master", "local[1]"]
    command += [str(ROOT / "jobs/read_experiment.py"), *HILLSTROM]
    command += ["--log", str(tmp_path / "absent.csv"), "--set", f"workspace={tmp_path}"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)

    told = done.stdout + done.stderr  # spark-submit hands our stderr on to its stdout
    assert done.returncode == 2
    assert f"error: {tmp_path}/absent.csv does not exist." in told
    assert "Traceback" not in told
