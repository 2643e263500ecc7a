import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs import export_segments
from tests.conftest import ROOT
from tests.serving.builders import publish_run
from uplift.audience.snapshot import Snapshot
from uplift.audience.suppression import Suppressions
from uplift.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "coupon")


@pytest.fixture
def snapshot(workspace: Workspace) -> Snapshot:
    return publish_run(workspace.published)


def export(workspace: Workspace, *settings: str) -> int:
    always = (f"workspace={workspace.root}", "inputs.raw.format=json")  # no attributes
    arguments = [f"--set={setting}" for setting in (*always, *settings)]
    conf = [f"--config={ROOT / 'conf' / name}" for name in ("base.yaml", "campaigns/coupon.yaml")]
    return export_segments.main([*conf, *arguments])


def written(workspace: Workspace) -> list[dict[str, object]]:
    manifests = sorted(workspace.exports.glob("*/manifest.json"))
    return [json.loads(path.read_text()) for path in manifests]


def test_the_declared_segment_of_the_current_run_is_written(
    workspace: Workspace, snapshot: Snapshot
) -> None:
    assert export(workspace) == 0

    (manifest,) = written(workspace)
    file = workspace.exports / str(manifest["export_id"]) / f"persuadable-{snapshot.run_id}.csv"
    assert file.read_text().count("\n") == int(str(manifest["rows"])) + 1 > 40


def test_every_order_is_carried_out_and_delivered(
    workspace: Workspace, snapshot: Snapshot, tmp_path: Path
) -> None:
    orders = [
        {"name": "sure", "audience": {"segments": ["sure_thing"]}, "format": "parquet"},
        {"name": "best", "audience": {"top_n": 9}, "deliver": str(tmp_path / "crm")},
    ]
    assert export(workspace, f"export.orders={json.dumps(orders)}") == 0

    best, sure = written(workspace)
    assert (best["rows"], sure["file"]) == (9, f"sure-{snapshot.run_id}.parquet")
    assert [path.name for path in (tmp_path / "crm").iterdir()] == [best["file"]]


def test_who_asked_to_be_left_alone_is_in_no_file(workspace: Workspace, snapshot: Snapshot) -> None:
    orders = 'export.orders=[{"audience": {"top_n": 5}, "format": "jsonl"}]'
    assert export(workspace, orders) == 0
    (before,) = workspace.exports.glob("*/*.jsonl")
    first = json.loads(before.read_text().splitlines()[0])["unit_id"]
    Suppressions(workspace.suppressions).add([first], since=datetime.now(UTC), reason="asked")
    assert export(workspace, orders) == 0
    files = {path.read_text() for path in workspace.exports.glob("*/*.jsonl")}
    assert sorted(first in text for text in files) == [False, True]


def test_a_segment_that_is_none_is_an_error_of_the_config(
    workspace: Workspace, snapshot: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(workspace, 'export.orders=[{"audience": {"segments": ["loyal"]}}]') == 2

    assert "`export.orders.0.audience.segments.0` = 'loyal'" in capsys.readouterr().err


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
