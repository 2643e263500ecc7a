import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from serving.__main__ import main
from tests.conftest import ROOT
from tests.serving.builders import customers, publish_run, wide
from uplift.workspace import Workspace

CONF = [f"--config={ROOT / 'conf' / name}" for name in ("base.yaml", "campaigns/coupon.yaml")]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "coupon")
    publish_run(workspace.published)
    return workspace


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def options(workspace: Workspace, *settings: str) -> list[str]:
    return [*CONF, *(f"--set={s}" for s in (f"workspace={workspace.root}", *settings))]


@contextmanager
def server(workspace: Workspace, port: int) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A real one in a process of its own, and its log; it is stopped whatever the test does."""
    command = [sys.executable, "-m", "serving", *options(workspace, f"serving.port={port}")]
    log = workspace.root / "service.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, stderr=stderr)
    try:
        while "service.started" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield process, log
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_real_server_answers_as_the_batch_decided_and_stops_when_told(
    workspace: Workspace,
) -> None:
    port = free_port()
    with (
        server(workspace, port) as (process, log),
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        assert client.get("/health/ready").json()["status"] == "ready"
        for row in wide(customers()).to_pylist()[::30]:
            answer = client.post("/v1/decisions", json={"user_id": row["unit_id"]})
            assert answer.status_code == 200
            assert answer.json()["reason"] == row["reason"]
            assert answer.json()["assignment"]["propensity"] == row["decision_propensity"]
        assert client.get("/nowhere").headers["content-type"] == "application/problem+json"

        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0

    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events == ["service.started"] + ["request.answered"] * 11


def error_of(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_without_a_run_it_tells_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = Workspace(tmp_path)

    line = error_of(capsys, options(empty, f"serving.port={free_port()}"))

    assert line.startswith("error: nothing is published in")
    assert "make demo" in line


def test_a_port_that_is_taken_is_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = error_of(capsys, options(workspace, f"serving.port={port}"))

    assert line.startswith(f"error: port {port} of 127.0.0.1 cannot be had (Address already in use")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_only_loopback_is_served_while_there_are_no_keys(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    line = error_of(capsys, options(workspace, f"serving.host='{host}'"))

    assert f"`serving.host` is '{host}', which others can reach" in line


def test_a_host_that_is_no_address_is_refused(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no IP address" in error_of(capsys, options(workspace, "serving.host=example"))


def test_a_misspelt_setting_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean `port`" in error_of(capsys, [*CONF, "--set=serving.prot=1"])
