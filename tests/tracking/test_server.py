"""The same calls against a tracking server: files travel over HTTP, nothing stays on this side."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tracking import builders
from uplift.tracking.registry import CHALLENGER, CHAMPION, fetch_model, promote, version_at
from uplift.tracking.store import open_store
from uplift.workspace import Workspace

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "server"
    folder.mkdir()
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    options = [
        "--host=127.0.0.1",
        f"--port={port}",
        "--workers=1",
        f"--backend-store-uri=sqlite:///{folder / 'mlflow.db'}",
        f"--artifacts-destination={folder / 'artifacts'}",
    ]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options],
            cwd=folder,
            stdout=output,
            stderr=output,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            start_new_session=True,
        )
        try:
            wait_for(uri, process, folder / "output")
            yield uri
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=20)


def wait_for(uri: str, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start: {output.read_text()[-2000:]}")


def test_a_model_logged_on_a_server_comes_back_from_it(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    monkeypatch.chdir(workspace)
    store = open_store(builders.TRACKING.model_copy(update={"uri": server}), Workspace(workspace))

    version = builders.log_small_run(store)
    promote(store, version)

    assert version_at(store, CHALLENGER) == version_at(store, CHAMPION) == version
    assert fetch_model(store, version).version == builders.fitted_model().version
    assert list(workspace.iterdir()) == []
