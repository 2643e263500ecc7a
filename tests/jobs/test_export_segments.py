import json
from pathlib import Path

import pytest

from jobs import export_segments
from tests.conftest import ROOT
from tests.serving.builders import publish_run
from uplift.audience.snapshot import Snapshot
from uplift.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "coupon")


@pytest.fixture
def snapshot(workspace: Workspace) -> Snapshot:
    return publish_run(workspace.published)


def export(workspace: Workspace, *settings: str) -> int:
    arguments = [f"--set={setting}" for setting in (f"workspace={workspace.root}", *settings)]
    conf = [f"--config={ROOT / 'conf' / name}" for name in ("base.yaml", "campaigns/coupon.yaml")]
    return export_segments.main([*conf, *arguments])


def test_the_declared_segment_of_the_current_run_is_written(
    workspace: Workspace, snapshot: Snapshot
) -> None:
    assert export(workspace) == 0

    written = workspace.exports / f"persuadable-{snapshot.run_id}.csv"
    provenance = json.loads((workspace.exports / f"{written.name}.json").read_text())
    assert written.read_text().count("\n") == provenance["rows"] + 1


def test_segment_and_format_come_from_the_config(workspace: Workspace, snapshot: Snapshot) -> None:
    assert export(workspace, "export.segment=sure_thing", "export.format=parquet") == 0

    assert (workspace.exports / f"sure_thing-{snapshot.run_id}.parquet").is_file()


def test_a_segment_that_is_none_is_an_error_of_the_config(
    workspace: Workspace, snapshot: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(workspace, "export.segment=loyal") == 2

    assert "`export.segment` = 'loyal'" in capsys.readouterr().err


def test_a_damaged_run_is_not_exported(
    workspace: Workspace, snapshot: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot.scores[0].write_bytes(snapshot.scores[0].read_bytes()[:-1])

    assert export(workspace) == 2

    assert "scores/part-00000.parquet has" in capsys.readouterr().err
    assert not workspace.exports.exists()


def test_without_a_run_the_error_tells_how_to_make_one(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(workspace) == 2

    assert capsys.readouterr().err.startswith("error: nothing is published in")
