"""SIGKILL in a night without Spark, at random and at every change of the file system.

Readers see whole runs all the while, and a rerun ends as an undisturbed night.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT


def outcome(how: str, folder: Path, kills: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.builders", how, str(folder), str(kills)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kills", [12, pytest.param(200, marks=pytest.mark.long)])
def test_killed_nights_end_as_undisturbed_ones_and_no_reader_sees_half(
    tmp_path: Path, kills: int
) -> None:
    found = outcome("randomly", tmp_path, kills)
    assert found["kills"] >= kills
    assert found["reader_status"] == 0
    assert found["looks"] > kills
    assert found["same_bytes"]
    assert found["runs"] == 2
    assert found["strays"] == []


@pytest.mark.parametrize("kills", [20, pytest.param(1000, marks=pytest.mark.long)])
def test_a_night_killed_before_any_of_its_changes_is_whole_before_and_after_a_rerun(
    tmp_path: Path, kills: int
) -> None:
    found = outcome("everywhere", tmp_path, kills)
    assert found["events"] > 20
    assert found["points"] >= min(kills, found["events"])
    assert found["amiss"] == []
