from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs import build_training_set, read_experiment
from tests.features.builders import CONF, assert_one_sentence, write_raw_log
from uplift.workspace import Workspace, write_document

pytestmark = pytest.mark.spark


@pytest.fixture
def campaign(tmp_path: Path, spark) -> list[str]:
    """Options that name a campaign whose experiment has been read."""
    options = ["--config", str(CONF / "base.yaml")]
    options += ["--config", str(write_raw_log(tmp_path / "raw"))]
    assert read_experiment.main(options) == 0
    return options


def judge(tmp_path: Path, *, is_refused: bool) -> None:
    report = Workspace(tmp_path / "workspace").report("experiment")
    write_document(report, {"is_refused": is_refused})


def test_every_unit_gets_its_planned_propensity_and_a_side(tmp_path, campaign):
    judge(tmp_path, is_refused=False)
    assert build_training_set.main(campaign) == 0
    table = pq.read_table(tmp_path / "workspace/tables/training_set").sort_by("unit_id")
    assert table["unit_id"].to_pylist() == [f"u{i}" for i in range(6)]
    assert set(table["propensity"].to_pylist()) == {1 / 3}
    assert set(table["split"].to_pylist()) <= {"train", "test"}
    assert "assigned_at" not in table.column_names


def test_a_refused_experiment_becomes_no_training_set(tmp_path, campaign, capsys):
    judge(tmp_path, is_refused=True)
    assert build_training_set.main(campaign) == 2
    assert_one_sentence(capsys.readouterr().err, "failed its checks", "`experiment.overrides`")
    assert not (tmp_path / "workspace/tables/training_set").exists()


def test_without_a_verdict_nothing_is_built(campaign, capsys):
    assert build_training_set.main(campaign) == 2
    assert_one_sentence(capsys.readouterr().err, "experiment.json", "jobs/check_experiment")
