import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from uplift.errors import ContractError
from uplift.online.decision_log import DecisionLog, close_abandoned

WRITER = """
import itertools, sys
from pathlib import Path
from uplift.online.decision_log import DecisionLog
log = DecisionLog(Path(sys.argv[1]), rotate_bytes=4000)
def acknowledged(number):
    def tell(is_written):
        if is_written:
            sys.stdout.write(f"{number}\\n")
            sys.stdout.flush()
    return tell
for number in itertools.count():
    log.append(b'{"number": %d}' % number, acknowledged(number))
    while log.waiting > 50:
        pass
"""


def numbers(folder: Path) -> list[int]:
    """What the closed files hold, in the order of their names."""
    lines = [line for path in sorted(folder.glob("decisions-*")) for line in path.open()]
    return [json.loads(line)["number"] for line in lines]


def line(number: int) -> bytes:
    return json.dumps({"number": number}).encode()


def test_every_line_stands_in_a_closed_file_in_its_order(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path, flush_seconds=0.001, rotate_bytes=100)
    for number in range(500):
        log.append(line(number))
        if number % 50 == 0:
            time.sleep(0.003)
    log.close()

    assert sorted(numbers(tmp_path)) == list(range(500))
    assert len(list(tmp_path.glob("decisions-*"))) > 1
    assert not list(tmp_path.glob("_*"))
    assert (log.counts.written, log.counts.shed) == (500, 0)


def test_an_open_file_is_hidden_from_readers_of_tables(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path)
    done = threading.Event()
    log.append(line(1), lambda is_written: done.set())
    assert done.wait(5.0)

    assert [path.name[0] for path in tmp_path.iterdir()] == ["_"]
    log.close()
    assert numbers(tmp_path) == [1]


def test_a_file_is_closed_when_it_is_old(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path, flush_seconds=0.005, rotate_seconds=0.02)
    log.append(line(1))
    for _ in range(1000):
        if numbers(tmp_path):
            break
        time.sleep(0.005)

    assert numbers(tmp_path) == [1]
    log.close()


def test_a_full_queue_sheds_and_counts(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path, queue=3, flush_seconds=60.0)

    taken = [log.append(line(number)) for number in range(5)]

    assert taken == [True, True, True, False, False]
    assert log.counts.shed == 2
    log.close()
    assert numbers(tmp_path) == [0, 1, 2]


def test_after_the_end_nothing_is_taken(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path)
    log.close()
    log.close()

    assert not log.append(line(1))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_is_told_and_counted_and_leaves_no_torn_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = DecisionLog(tmp_path, flush_seconds=60.0)
    told: list[bool] = []
    real, calls = os.write, []

    def half_then_full(handle: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 1:
            return real(handle, data[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half_then_full)
    log.append(line(1), told.append)
    while not told:
        time.sleep(0.001)
    monkeypatch.undo()
    log.append(line(2), told.append)
    log.close()

    assert told == [False, True]
    assert (log.counts.failed, log.counts.written) == (1, 1)
    assert numbers(tmp_path) == [2]


def test_kill_9_loses_nothing_that_was_acknowledged_and_tears_no_line(tmp_path: Path) -> None:
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(300)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(text) for text in writer.stdout.read().split("\n")[:-1]]
        writer.wait()

        close_abandoned(tmp_path)

        assert set(acknowledged) <= set(numbers(tmp_path))
        for path in tmp_path.iterdir():
            path.unlink()


def test_the_file_of_a_living_writer_is_left_alone(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path)
    assert close_abandoned(tmp_path) == 0
    log.close()


def test_a_torn_last_line_goes_and_a_file_without_a_whole_one_too(tmp_path: Path) -> None:
    (tmp_path / "_open-a.jsonl").write_bytes(line(1) + b"\n" + line(2)[:5])
    (tmp_path / "_open-b.jsonl").write_bytes(line(3)[:5])

    assert close_abandoned(tmp_path) == 2

    assert numbers(tmp_path) == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["decisions-a.jsonl"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ContractError, match="decisions cannot be logged to"):
        DecisionLog(tmp_path / "file" / "log")
