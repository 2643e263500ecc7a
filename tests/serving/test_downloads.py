"""Downloads over real sockets: cut anywhere, through a killed server, while a run is published."""

import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest
from starlette.testclient import TestClient

from serving import exporting
from serving.app import create_app
from tests.conftest import ROOT
from tests.serving.builders import customers, office, publish_run, wide
from uplift.workspace import Workspace

pytestmark = pytest.mark.slow
MANY = 40_000  # customers: 7 MB, more than the buffers of a socket hold (Linux: 4 MB)


@contextmanager
def served(workspace: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m serving` as a process of its own."""
    files = ("conf/base.yaml", "conf/campaigns/coupon.yaml")
    configs = [part for name in files for part in ("--config", str(ROOT / name))]
    settings = [f"workspace={workspace}", f"serving.port={port}"]
    sets = [part for setting in settings for part in ("--set", setting)]
    process = subprocess.Popen(
        [sys.executable, "-m", "serving", *configs, *sets],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(1200):
            assert process.poll() is None, "the service ended"
            try:
                if call(port, "GET", "/health/ready")[0] == 200:
                    break
            except OSError:
                pass
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=30)


def call(
    port: int, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        sent = {"content-type": "application/json", **headers}
        connection.request(method, path, None if body is None else json.dumps(body), sent)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def export(port: int, **audience: object) -> dict[str, Any]:
    status, text = call(port, "POST", "/v1/exports?wait_seconds=30", {"audience": audience})
    found: dict[str, Any] = json.loads(text)
    assert (status, found["state"]) == (200, "done"), text
    return found


def first_bytes(port: int, path: str, n: int) -> tuple[http.client.HTTPResponse, bytes]:
    """The beginning of a download that stays open; the rest waits in the sender."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer, answer.read(n)


def resumed(port: int, found: dict[str, Any], have: int) -> bytes:
    ahead = {"range": f"bytes={have}-", "if-range": f'"{found["sha256"]}"'}
    status, rest = call(port, "GET", found["file"], **ahead)
    assert status == 206
    return rest


def test_a_download_goes_on_wherever_it_is_cut_even_by_a_killed_server(tmp_path: Path) -> None:
    publish_run(Workspace(tmp_path).published, customers(MANY))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with served(tmp_path, port) as process:
        small, large = export(port, top_n=500), export(port)
        draw = random.Random(1)
        for _ in range(50):
            answer, head = first_bytes(port, small["file"], draw.randrange(1, small["bytes"]))
            answer.close()
            whole = head + resumed(port, small, len(head))
            assert hashlib.sha256(whole).hexdigest() == small["sha256"]
        answer, head = first_bytes(port, large["file"], 100_000)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        try:
            while piece := answer.read(65_536):
                head += piece
        except (http.client.IncompleteRead, ConnectionError):
            pass
    assert len(head) < large["bytes"], "the whole file was in the buffers already"
    with served(tmp_path, port):
        whole = head + resumed(port, large, len(head))
    assert hashlib.sha256(whole).hexdigest() == large["sha256"]


def test_an_export_holds_on_to_its_run_while_another_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = office(tmp_path)
    before = opened.desk.service.run_id
    real = exporting.write_export

    def amid(source: Any, order: Any, folder: Path, *, watch: Any, **settings: Any) -> Any:
        def publish_then(connection: Any) -> None:
            watch(connection)
            publish_run(Workspace(tmp_path).published, customers(200))
            deadline = time.monotonic() + 30
            while opened.desk.service.run_id == before and time.monotonic() < deadline:
                time.sleep(0.05)

        monkeypatch.setattr(exporting, "write_export", real)
        return real(source, order, folder, watch=publish_then, **settings)

    monkeypatch.setattr(exporting, "write_export", amid)
    with TestClient(create_app(opened)) as client:
        first, second = (
            client.post("/v1/exports?wait_seconds=30", json={}).json() for _ in range(2)
        )
        files = [client.get(one["file"]).content for one in (first, second)]
        assert (first["run_id"], second["run_id"]) == (before, opened.desk.service.run_id)
    assert before != second["run_id"]
    for content, table in zip(files, (customers(), customers(200)), strict=True):
        found = pyarrow.csv.read_csv(pa.BufferReader(content)).to_pandas()
        expected = wide(table).to_pandas()
        expected = expected[expected.contactable & (expected.reason != "holdout")]
        assert sorted(found.unit_id) == sorted(expected.unit_id)
        both = found.set_index("unit_id").net_value_eur
        assert both.equals(expected.set_index("unit_id").net_value_eur.loc[both.index])
