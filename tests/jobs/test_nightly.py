"""The night's door, without Spark: what it plans, refuses and reports."""

from pathlib import Path

import pytest

from jobs import nightly
from jobs.night_steps import LazySession, night_steps, settings
from tests.conftest import ROOT
from tests.serving.builders import publish_run
from uplift.batch.lock import only_one
from uplift.batch.steps import Receipts
from uplift.batch.walk import Done
from uplift.config import Config, load_config
from uplift.errors import ContractError
from uplift.workspace import Workspace, read_document

FILES = [ROOT / "conf/base.yaml", ROOT / "conf/campaigns/coupon.yaml"]
STEPS = [
    "build_customer_features",
    "score_customers",
    "assign_coupons",
    "monitor_night",
    "publish_snapshot",
    "load_online_store",
    "export_segments",
]


def config_of(root: Path, *overrides: str) -> Config:
    return load_config(FILES, [f"workspace={root}", *overrides])


def night(root: Path, *options: str) -> int:
    files = [f"--config={file}" for file in FILES]
    return nightly.main([*files, f"--set=workspace={root}", *options])


def test_a_dry_run_names_every_step_with_its_reason_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert night(tmp_path / "ws", "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == STEPS
    assert all("it has not run before" in line for line in lines)
    assert not (tmp_path / "ws").exists()


def test_from_and_only_leave_steps_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert night(tmp_path, "--dry-run", "--from", "publish_snapshot", "--only=export_segments") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*["left"] * 6, "run"]


def test_a_step_that_is_none_is_refused_with_the_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert night(tmp_path, "--from", "score") == 2
    assert "no step of the night is called 'score'" in capsys.readouterr().err


def test_a_second_night_refuses_by_name_and_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_one(tmp_path / ".nightly.lock", {"run date": "2026-06-01"}):
        assert night(tmp_path, "--run-date", "2026-06-02") == 2
    assert "run date 2026-06-01: two nights in one workspace" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [".nightly.lock"]


def test_a_day_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        night(tmp_path, "--run-date", "yesterday")


def test_what_cannot_change_a_step_is_no_setting_of_it(tmp_path: Path) -> None:
    usual = settings(config_of(tmp_path))
    for override in (
        "spark.master=local[7]",
        "serving.port=1",
        "online.store=redis",
        "monitoring.psi_warn=0.01",
        "publishing.keep_runs=3",
        "training.rounds=3",
    ):
        assert settings(config_of(tmp_path, override)) == usual
    for override in ("policy.budget_eur=1", "run_date=2026-01-01", "segments.harm_tolerance=0.1"):
        assert settings(config_of(tmp_path, override)) != usual
    monitored = settings(config_of(tmp_path, "monitoring.psi_warn=0.01"), "monitoring")
    assert monitored != settings(config_of(tmp_path), "monitoring")


def test_nothing_is_published_that_has_not_passed_the_check_of_the_night(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    with LazySession(config.spark) as session:
        steps = night_steps(session, config, Receipts(tmp_path / "receipts"), code="1")
        with pytest.raises(ContractError, match=r"have not passed jobs.monitor_night"):
            steps[STEPS.index("publish_snapshot")].run()


def test_the_report_tells_what_became_of_the_night(tmp_path: Path) -> None:
    workspace, config = Workspace(tmp_path), config_of(tmp_path)
    run = publish_run(workspace.published)
    done = [
        Done("score_customers", "ran", "the code changed", 300, 300, 1.5, 100.0),
        Done("monitor_night", "failed", "tonight fails 1 of 8 checks", 300, None, 1.0),
    ]

    nightly.report(config, done)

    document = read_document(workspace.report("night"), made_by="nightly")
    assert document["status"] == "failed"
    assert document["run_id"] == run.run_id
    assert "Readers keep the last run" in workspace.page("night").read_text()
    metrics = workspace.metrics("night").read_text()
    assert 'uplift_night_succeeded{campaign="coupon"} 0' in metrics
    assert 'uplift_step_rows{campaign="coupon",step="score_customers"} 300' in metrics
    n = run.facts.segments["persuadable"].customers
    assert f'uplift_segment_customers{{campaign="coupon",segment="persuadable"}} {n}' in metrics
