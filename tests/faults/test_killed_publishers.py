"""SIGKILL at random moments of a night without Spark: readers see whole runs, a rerun converges."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize("kills", [12, pytest.param(200, marks=pytest.mark.long)])
def test_killed_nights_end_as_undisturbed_ones_and_no_reader_sees_half(
    tmp_path: Path, kills: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.builders", str(tmp_path), str(kills), "7"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] >= kills
    assert found["reader_status"] == 0, done.stderr
    assert found["looks"] > kills
    assert found["same_bytes"]
    assert found["runs"] == 2
    assert found["strays"] == []
