"""SIGKILL at random moments of every step of a real night: the driver, or a Python task."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.builders import forked, look
from tests.pipeline.builders import Nights
from uplift.audience.snapshot import current
from uplift.batch.digests import content_digest
from uplift.batch.memory import family

pytestmark = [pytest.mark.spark, pytest.mark.long]

KILLS = int(os.environ.get("UPLIFT_KILLS", "30"))
STEPS = (
    "build_customer_features",
    "score_customers",
    "assign_coupons",
    "monitor_night",
    "publish_snapshot",
    "load_online_store",
    "export_segments",
)


class Process:
    """A night in a process of its own, whose events can be waited for."""

    def __init__(self, nights: Nights, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jobs.nightly", *nights.options(*options)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid

    def wait_for(self, step: str) -> bool:
        """Whether the step starts; False if the night ends without it."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.startswith("{"):
                event = json.loads(line)
                if event["event"] == "step.started" and event["job"] == step:
                    return True
        return False

    def kill(self) -> bool:
        """End driver and JVM at this moment; whether they were still at it."""
        self._process.kill()
        self._process.communicate()
        return self._process.returncode == -signal.SIGKILL

    def end(self) -> int:
        self._process.communicate()
        return self._process.returncode


@contextmanager
def reader(published: Path, end: Path) -> Iterator[None]:
    """A process that looks at what is published, all the while; fails at anything amiss."""

    def poll() -> None:
        while not end.exists():
            trouble = look(published)
            if trouble:
                raise AssertionError(trouble)
            time.sleep(0.01)

    pid = forked(poll)
    try:
        yield
    finally:
        end.touch()
        status = os.waitpid(pid, 0)[1]
    assert status == 0, "a reader saw half a run; see standard error"


def steps_done(nights: Nights) -> dict[str, str]:
    document = json.loads(nights.workspace.report("night").read_text())
    return {step["name"]: step["status"] for step in document["steps"]}


def test_nights_killed_in_every_step_end_as_undisturbed_ones(tmp_path: Path) -> None:
    chance = random.Random(5)
    for name in ("disturbed", "calm"):
        (tmp_path / name).mkdir()
    disturbed, calm = Nights(tmp_path / "disturbed"), Nights(tmp_path / "calm")
    assert Process(disturbed).end() == Process(calm).end() == 0
    killed, day = 0, 1
    with reader(disturbed.workspace.published, tmp_path / "end"):
        while killed < KILLS:
            day += 1
            date = f"--run-date=2026-06-{day:02d}"
            for step in STEPS:
                process = Process(disturbed, date)
                if process.wait_for(step):
                    time.sleep(chance.choice([0.0, chance.uniform(0.0, 1.0), chance.uniform(0, 4)]))
                    killed += process.kill()
                else:
                    process.end()
            assert Process(disturbed, date).end() == 0
            assert Process(calm, date).end() == 0
    assert killed >= KILLS
    for part in ("published", "tables"):
        left, right = (content_digest(n.workspace.root / part) for n in (disturbed, calm))
        assert left == right, part
    files = [
        {path.name: content_digest(path) for path in n.workspace.exports.glob("*/*.csv")}
        for n in (disturbed, calm)
    ]
    assert files[0] == files[1]
    assert len(files[0]) == day
    current(disturbed.workspace.published).verify()


def test_killed_python_tasks_lose_nothing(tmp_path: Path) -> None:
    """Spark tries a lost task again; the night is the one that it would have been."""
    for name in ("disturbed", "calm"):
        (tmp_path / name).mkdir()
    disturbed, calm = Nights(tmp_path / "disturbed"), Nights(tmp_path / "calm")
    process = Process(disturbed, "--set=spark.master=local[2,8]")
    assert process.wait_for("score_customers")
    for _ in range(3):
        time.sleep(0.7)
        for pid in list(family(process.pid)):
            if is_python_task(pid):
                os.kill(pid, signal.SIGKILL)
    assert process.end() == 0
    assert Process(calm).end() == 0
    published = [content_digest(n.workspace.published) for n in (disturbed, calm)]
    assert published[0] == published[1]


def is_python_task(pid: int) -> bool:
    """A fork of Spark's Python daemon, which is not the daemon itself."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        parent = Path(f"/proc/{stat[1]}/cmdline").read_bytes()
    except OSError:
        return False
    return b"pyspark.daemon" in command and b"pyspark.daemon" in parent
