from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import build_customer_features, read_experiment
from tests.features.builders import CONF, START, assert_one_sentence, write_raw_log

pytestmark = pytest.mark.spark

ONE_FEATURE = "features.static=[{name: recency, kind: numeric}]"


@pytest.fixture
def workspace(tmp_path: Path, spark) -> Path:
    return tmp_path / "workspace"


def options(campaign: Path, *overrides: str) -> list[str]:
    layers = ["--config", str(CONF / "base.yaml"), "--config", str(campaign)]
    return [*layers, *(part for override in overrides for part in ("--set", override))]


def table(workspace: Path, name: str) -> list[dict[str, object]]:
    rows = pq.read_table(workspace / "tables" / name).to_pylist()
    return sorted(rows, key=lambda row: row["unit_id"])


def test_everybody_gets_features_as_of_the_start_of_the_run_date(workspace):
    campaign = write_raw_log(workspace.parent / "raw")
    assert build_customer_features.main(options(campaign, "run_date=2026-04-01")) == 0
    rows = table(workspace, "customer_features")
    assert [row["unit_id"] for row in rows] == [f"u{i}" for i in range(6)]
    assert {row["as_of"] for row in rows} == {datetime(2026, 4, 1, tzinfo=UTC)}
    # u0 to u4 bought 0, 5, 10, 15 and 20 days after 10 March, u5 on 4 April
    assert [row["purchase_count_30d"] for row in rows] == [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]
    assert [row["purchase_sum_30d"] for row in rows] == [6.0, 7.0, 8.0, 9.0, 10.0, 0.0]


def test_scoring_on_the_day_of_the_experiment_gives_the_features_it_was_trained_on(workspace):
    campaign = write_raw_log(workspace.parent / "raw")
    on_the_day = options(campaign, f"run_date={START.date()}")
    assert read_experiment.main(on_the_day) == 0
    assert build_customer_features.main(on_the_day) == 0
    names = ["unit_id", "age", "purchase_count_30d", "purchase_sum_30d"]
    trained, scored = (
        [[row[name] for name in names] for row in table(workspace, written)]
        for written in ("experiment_units", "customer_features")
    )
    assert scored == trained


def test_without_a_run_date_the_day_after_the_last_event_is_scored(workspace):
    campaign = write_raw_log(workspace.parent / "raw")
    assert build_customer_features.main(options(campaign, "run_date=null")) == 0
    rows = table(workspace, "customer_features")
    assert {row["as_of"].date() for row in rows} == {date(2026, 4, 5)}


def test_a_customer_listed_twice_gets_one_sentence_and_status_2(workspace, capsys):
    twice = pa.table({"unit_id": ["u0", "u0"], "age": [30, 31]})
    campaign = write_raw_log(workspace.parent / "raw", customers=twice)
    assert build_customer_features.main(options(campaign)) == 2
    assert_one_sentence(capsys.readouterr().err, "in 2 of 2 rows", "'u0'", "Keep one")
    assert not (workspace / "tables/customer_features").exists()


def test_a_flat_log_gives_the_same_units_to_score_as_to_train_on(workspace, capsys):
    log = workspace.parent / "log.csv"
    arms = ("No E-Mail", "Mens E-Mail", "Womens E-Mail", "No E-Mail")
    rows = [f"{arm},0,0,{i}" for i, arm in enumerate(arms)]
    log.write_text("\n".join(["segment,visit,spend,recency", *rows]), encoding="utf-8")
    example = CONF / "examples/hillstrom.yaml"
    flat = [*options(example, f"workspace={workspace}", ONE_FEATURE), "--log", str(log)]
    assert read_experiment.main(flat) == 0
    assert build_customer_features.main(flat) == 0
    trained, scored = table(workspace, "experiment_units"), table(workspace, "customer_features")
    assert [(row["unit_id"], row["recency"]) for row in scored] == [
        (row["unit_id"], row["recency"]) for row in trained
    ]
    assert build_customer_features.main([*flat, "--set", "run_date=null"]) == 2
    assert_one_sentence(capsys.readouterr().err, "`run_date` is null", "Set `run_date`")
