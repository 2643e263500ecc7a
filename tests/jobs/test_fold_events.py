import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import build_customer_features, fold_events
from tests.features.builders import CONF, DAY, START, assert_one_sentence, write_raw_log

pytestmark = pytest.mark.spark

INCREMENTAL = "features.incremental=true"


@pytest.fixture
def campaign(tmp_path: Path, spark) -> Path:
    """A raw log whose events are files in a folder."""
    file = write_raw_log(tmp_path / "raw")
    events = tmp_path / "raw/events.parquet"
    folder = tmp_path / "raw/events"
    folder.mkdir()
    events.rename(folder / "until-april.parquet")
    file.write_text(file.read_text().replace(str(events), str(folder)), encoding="utf-8")
    return file


def options(campaign: Path, *overrides: str) -> list[str]:
    layers = ["--config", str(CONF / "base.yaml"), "--config", str(campaign)]
    return [*layers, *(part for override in overrides for part in ("--set", override))]


def events_logged(error: str, name: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in error.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


def features(campaign: Path) -> pa.Table:
    folder = campaign.parent.parent / "workspace/tables/customer_features"
    return pq.read_table(folder).sort_by("unit_id")


def test_the_features_are_those_of_the_raw_events_with_and_without_a_run_date(campaign):
    for run_date in ("2026-04-01", "2026-04-02", "null"):
        on_the_day = options(campaign, f"run_date={run_date}")
        assert build_customer_features.main(on_the_day) == 0
        expected = features(campaign)
        assert build_customer_features.main([*on_the_day, "--set", INCREMENTAL]) == 0
        assert features(campaign).to_pylist() == expected.to_pylist()


def test_a_file_is_folded_once_and_a_late_one_by_itself(campaign, capsys):
    assert fold_events.main(options(campaign)) == 0
    (first,) = events_logged(capsys.readouterr().err, "events.folded")
    assert (first["files"], first["rows"], first["days"]) == (1, 12, 7)
    late = {
        "unit_id": ["u5"],
        "event_type": ["purchase"],
        "event_at": pa.array([START], pa.timestamp("us", "UTC")),
        "value": [100.0],
    }
    pq.write_table(pa.table(late), campaign.parent / "events/late.parquet")
    on_the_day = options(campaign, f"run_date={(START + DAY).date()}", INCREMENTAL)
    assert build_customer_features.main(on_the_day) == 0
    logged = capsys.readouterr().err
    (second,) = events_logged(logged, "events.folded")
    assert (second["files"], second["rows"], second["days"]) == (1, 1, 1)
    (built,) = events_logged(logged, "totals.rebuilt")
    assert built["reason"] == "there are no running totals yet"
    assert features(campaign)["purchase_sum_30d"].to_pylist()[-1] == 105.0
    assert build_customer_features.main(on_the_day) == 0
    (kept,) = events_logged(capsys.readouterr().err, "totals.kept")
    assert kept["as_of"] == str((START + DAY).date())


def test_a_declared_type_that_never_occurs_is_refused(campaign, capsys):
    typo = "features.events=[{event_type: purchse, aggregates: [count], window_days: [7]}]"
    assert fold_events.main(options(campaign, typo)) == 2
    error = capsys.readouterr().err
    assert_one_sentence(error, "no event of 1 of 1 types: ['purchse']", "12 rows", "'purchase'")


def test_a_log_without_events_is_refused(campaign, capsys):
    file = campaign.parent / "events/until-april.parquet"
    pq.write_table(pq.read_table(file).slice(0, 0), file)
    assert fold_events.main(options(campaign, INCREMENTAL)) == 2
    assert_one_sentence(capsys.readouterr().err, "no event", "0 rows in 1 files")


def test_a_flat_log_has_no_events_to_fold(campaign, capsys):
    example = CONF / "examples/hillstrom.yaml"
    flat = [*options(example, f"workspace={campaign.parent}"), "--log", "log.csv"]
    assert fold_events.main(flat) == 2
    assert_one_sentence(capsys.readouterr().err, "log.csv", "no events to fold", "Leave this job")
