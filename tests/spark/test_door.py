import signal
import subprocess
import sys
from pathlib import Path

import pytest

from uplift.config import Config
from uplift.errors import ContractError, UpliftError
from uplift.spark.door import parse, run_job, run_plain_job

ROOT = Path(__file__).resolve().parents[2]
BASE = ["--config", str(ROOT / "conf/base.yaml")]
COUPON = [*BASE, "--config", str(ROOT / "conf/campaigns/coupon.yaml")]
HILLSTROM = [*BASE, "--config", str(ROOT / "conf/examples/hillstrom.yaml")]
DOC = "Do something.\n\nNext: nothing.\n"

SLOW_JOB = """
import sys
from uplift.spark.door import run_job

def run(spark, config):
    sys.stdout.write("at work\\n")
    sys.stdout.flush()
    spark.range(10**13).selectExpr("sum(id % 7)").collect()

sys.exit(run_job("Work for ever.", run, sys.argv[1:]))
"""


def fails(config: Config) -> None:
    raise ContractError("log.csv lacks\n  a column. Add it.")


def test_a_job_that_ends_well_exits_with_0_and_is_silent(capsys):
    seen = []
    assert run_plain_job(DOC, seen.append, COUPON) == 0
    assert seen[0].campaign.id == "coupon"
    assert capsys.readouterr() == ("", "")


def test_an_expected_error_is_one_line_and_exit_status_2(capsys):
    assert run_plain_job(DOC, fails, COUPON) == 2
    assert capsys.readouterr() == ("", "error: log.csv lacks a column. Add it.\n")


def test_the_traceback_comes_when_asked_for(capsys):
    assert run_plain_job(DOC, fails, [*COUPON, "--traceback"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "error: log.csv lacks a column. Add it."


def test_a_broken_config_is_an_expected_error(capsys):
    assert run_plain_job(DOC, fails, [*COUPON, "--set", "policy.budgt_eur=5"]) == 2
    assert "did you mean `budget_eur`?" in capsys.readouterr().err


def test_an_unexpected_error_is_a_bug_and_keeps_its_traceback():
    def stumbles(config: Config) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_plain_job(DOC, stumbles, COUPON)


def test_an_interrupt_exits_with_130_and_without_a_traceback(capsys):
    def is_interrupted(config: Config) -> None:
        raise KeyboardInterrupt

    assert run_plain_job(DOC, is_interrupted, COUPON) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_later_files_win_and_set_wins_over_all(tmp_path):
    over = tmp_path / "over.yaml"
    over.write_text("policy: {budget_eur: 7, holdout_share: 0.2}\n")
    config, _ = parse(DOC, [*COUPON, "--config", str(over), "--set", "policy.budget_eur=9"])
    assert (config.policy.budget_eur, config.policy.holdout_share) == (9.0, 0.2)


def test_without_a_config_the_coupon_campaign_is_meant(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert parse(DOC, [])[0].campaign.id == "coupon"


def test_the_log_comes_from_the_option_or_else_from_the_environment(monkeypatch):
    monkeypatch.setenv("UPLIFT_LOG", "from/environment.csv")
    assert parse(DOC, HILLSTROM)[0].inputs.flat_log.path == "from/environment.csv"
    with_option = [*HILLSTROM, "--log", "from/option: 1.csv"]
    assert parse(DOC, with_option)[0].inputs.flat_log.path == "from/option: 1.csv"


def test_the_environment_does_not_touch_a_campaign_that_knows_its_log(monkeypatch):
    monkeypatch.setenv("UPLIFT_LOG", "from/environment.csv")
    configured = [*HILLSTROM, "--set", "inputs.flat_log.path=mine.csv"]
    assert parse(DOC, configured)[0].inputs.flat_log.path == "mine.csv"
    assert parse(DOC, COUPON)[0].inputs.flat_log is None


def test_a_log_for_a_campaign_of_three_tables_is_refused():
    with pytest.raises(UpliftError, match=r"--log log\.csv .* 'coupon' reads three raw tables"):
        parse(DOC, [*COUPON, "--log", "log.csv"])


def test_help_is_the_docstring(capsys):
    with pytest.raises(SystemExit) as caught:
        parse(DOC, ["--help"])
    assert caught.value.code == 0
    assert "Next: nothing." in capsys.readouterr().out


@pytest.mark.spark
def test_an_active_session_is_lent_to_the_job_and_lives_on(spark):
    seen = []
    assert run_job(DOC, lambda session, config: seen.append(session), COUPON) == 0
    assert seen == [spark]
    assert spark.range(3).count() == 3


@pytest.mark.spark
def test_ctrl_c_in_the_middle_of_a_spark_job_ends_it_cleanly(tmp_path):
    script = tmp_path / "job.py"
    script.write_text(SLOW_JOB)
    job = subprocess.Popen(
        [sys.executable, str(script), *COUPON, "--set", "spark.master=local[1]"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert job.stdout is not None
        assert job.stdout.readline() == "at work\n"
        job.send_signal(signal.SIGINT)
        _, stderr = job.communicate(timeout=120)
    finally:
        job.kill()
    assert job.returncode == 130
    assert stderr.endswith("interrupted\n")
    assert "Traceback" not in stderr
