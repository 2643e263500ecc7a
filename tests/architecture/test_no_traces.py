"""Nothing of one machine, one registry or one workplace stands in what we ship."""

import re
import subprocess

import pytest

from tests.architecture import builders as house

FORBIDDEN = re.compile(
    r"index-url|find-links|--trusted-host|files\.pythonhosted|/root/|/home/[a-z]+/|/workspaces?/[a-z]",
    re.IGNORECASE,
)


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=house.ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return listed.stdout.splitlines()


def test_no_registry_host_and_no_path_of_a_machine_is_committed() -> None:
    this_file = "tests/architecture/test_no_traces.py"
    found = {
        name: match.group()
        for name in tracked()
        if name != this_file and (house.ROOT / name).is_file()
        if (match := FORBIDDEN.search((house.ROOT / name).read_text("utf-8", errors="ignore")))
    }
    assert not found


def test_no_tracked_file_is_a_data_set() -> None:
    large = [name for name in tracked() if (house.ROOT / name).stat().st_size > 500_000]
    assert not large
