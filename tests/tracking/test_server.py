"""The same calls against a tracking server: files travel over HTTP, nothing stays on this side."""

import getpass
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pg8000.exceptions
import pg8000.native
import pytest

from tests.tracking import builders
from uplift.tracking.registry import CHALLENGER, CHAMPION, fetch_model, promote, version_at
from uplift.tracking.store import open_store
from uplift.workspace import Workspace

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 60
POSTGRES = urlsplit(os.environ.get("UPLIFT_POSTGRES", "postgresql://127.0.0.1:5432"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def database(folder: Path, backend: str) -> Iterator[str]:
    """An empty database of this kind, gone afterwards."""
    if backend == "sqlite":
        yield f"sqlite:///{folder / 'mlflow.db'}"
        return
    name = f"uplift_test_{uuid.uuid4().hex}"
    try:
        admin = pg8000.native.Connection(
            POSTGRES.username or getpass.getuser(),
            host=POSTGRES.hostname or "127.0.0.1",
            port=POSTGRES.port or 5432,
            password=POSTGRES.password,
            database="postgres",
        )
    except (pg8000.exceptions.InterfaceError, pg8000.exceptions.DatabaseError) as error:
        pytest.skip(f"no PostgreSQL at {POSTGRES.hostname}: {error}; set UPLIFT_POSTGRES")
    admin.run(f"CREATE DATABASE {name}")
    try:
        login = (
            POSTGRES.netloc if "@" in POSTGRES.netloc else f"{getpass.getuser()}@{POSTGRES.netloc}"
        )
        yield f"postgresql+pg8000://{login}/{name}"
    finally:
        admin.run(f"DROP DATABASE {name} WITH (FORCE)")
        admin.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    folder = tmp_path / "server"
    folder.mkdir()
    with database(folder, request.param) as store:
        yield from serve(folder, store)


def serve(folder: Path, store: str) -> Iterator[str]:
    """A tracking server on this store, for as long as somebody looks at it."""
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    options = [
        "--host=127.0.0.1",
        f"--port={port}",
        "--workers=1",
        f"--backend-store-uri={store}",
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
