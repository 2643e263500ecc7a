"""A disk that fills up in the middle: nothing is published, nothing stays, one sentence."""

import errno
import os
import resource
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.faults.builders import forked, look, night
from uplift.audience.snapshot import current
from uplift.spark.door import FAILED, machine_trouble, run_plain_job
from uplift.workspace import Workspace

FILES = range(2_000, 26_000, 6_000)  # bytes that a file may have: too few for some file of a run


def within(limit: int, workspace: Workspace) -> int:
    """Exit status of tomorrow's night where no file may grow beyond so many bytes."""

    def act() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        night(workspace, 1)

    return os.waitstatus_to_exitcode(os.waitpid(forked(act), 0)[1])


@pytest.mark.parametrize("limit", FILES)
def test_a_full_disk_leaves_readers_the_last_run_and_no_stray(tmp_path: Path, limit: int) -> None:
    workspace = Workspace(tmp_path)
    night(workspace, 0)
    before = current(workspace.published).run_id

    assert within(limit, workspace) == 1

    assert current(workspace.published).run_id == before
    assert look(workspace.published) is None
    assert not (workspace.published / ".staging").exists()
    night(workspace, 1)
    assert current(workspace.published).run_id != before
    current(workspace.published).verify()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/x"), "no space left on device"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "read-only file system"),
        (sqlite3.OperationalError("database or disk is full"), "database or disk is full"),
        (RuntimeError("Job aborted: java.io.IOException: No space left on device"), "no space"),
    ],
)
def test_trouble_of_the_machine_is_one_sentence(
    error: Exception, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: object) -> None:
        raise error

    assert run_plain_job("Fail.", fails, []) == FAILED
    line = capsys.readouterr().err
    assert words in line
    assert line.count("\n") == 1
    assert "Traceback" not in line


def test_a_bug_keeps_its_traceback() -> None:
    assert machine_trouble(KeyError("x")) is None
