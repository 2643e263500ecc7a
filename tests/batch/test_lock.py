import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from uplift.batch.lock import only_one
from uplift.errors import ContractError

HOLD = """
import sys, time
from pathlib import Path
from uplift.batch.lock import only_one
with only_one(Path(sys.argv[1]), {"campaign": "coupon", "run date": "2026-06-01"}):
    sys.stdout.write("held\\n")
    sys.stdout.flush()
    time.sleep(600)
"""


def test_the_second_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    lock = tmp_path / "new" / ".lock"
    with (
        only_one(lock, {"campaign": "coupon"}),
        pytest.raises(ContractError, match=rf"process {os.getpid()}, .* campaign coupon"),
        only_one(lock, {"campaign": "other"}),
    ):
        pytest.fail("two held it")


def test_the_lock_is_free_when_the_block_ends_or_fails(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), only_one(tmp_path / "lock", {}):
            raise ZeroDivisionError


def test_the_lock_dies_with_a_killed_owner(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(ContractError, match="run date 2026-06-01"), only_one(lock, {}):
        pytest.fail("two held it")

    holder.send_signal(signal.SIGKILL)
    holder.wait()

    with only_one(lock, {}):
        pass
