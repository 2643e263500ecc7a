"""Requests per second of the service, beside an endpoint with the same body that does nothing."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.benchmarks.conftest import Bench
from tests.conftest import ROOT
from tests.serving.builders import publish_run
from tests.serving.test_main import free_port, server
from uplift.workspace import Workspace

SECONDS, CONNECTIONS = 5, 16
EMPTY = """
import sys
import uvicorn
from fastapi import FastAPI
from serving.schemas import DecisionRequest, DecisionResponse
app = FastAPI()
answer = DecisionResponse.model_validate(DecisionResponse.model_json_schema()["examples"][0])

@app.post("/v1/decisions")
async def decide(request: DecisionRequest) -> DecisionResponse:
    return answer

uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
"""
ASKS = """
wrk.method, wrk.headers["content-type"] = "POST", "application/json"
local i = 0
request = function()
  i = i + 1
  return wrk.format(nil, nil, nil, string.format('{"user_id": "u%03d"}', i % 300))
end
"""


@contextmanager
def empty(port: int) -> Iterator[int]:
    """The floor, in a process of its own; its process id."""
    process = subprocess.Popen([sys.executable, "-c", EMPTY, str(port)], cwd=ROOT)
    try:
        for _ in range(600):
            try:
                httpx2.get(f"http://127.0.0.1:{port}/")
                break
            except httpx2.TransportError:
                time.sleep(0.05)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def load(port: int, pid: int, script: Path) -> tuple[float, float]:
    """CPU microseconds per request, and the 99th percentile of the time to answer, ms."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", str(script)]
    url = f"http://127.0.0.1:{port}/v1/decisions"
    subprocess.run([*command, url], capture_output=True, check=True)  # warm
    before = cpu_ticks(pid)
    found = subprocess.run([*command, url], capture_output=True, check=True, text=True).stdout
    ticks = cpu_ticks(pid) - before
    assert "Non-2xx" not in found, found
    n = int(re.search(r"(\d+) requests in", found)[1])  # type: ignore[index]
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", found).groups()  # type: ignore[union-attr]
    return ticks * 10_000 / n, float(value) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_saturation(bench: Bench, tmp_path: Path) -> None:
    script, workspace = tmp_path / "asks.lua", Workspace(tmp_path / "coupon")
    script.write_text(ASKS)
    publish_run(workspace.published)
    port, floor_port = free_port(), free_port()
    with empty(floor_port) as pid:
        floor, floor_p99 = load(floor_port, pid, script)
    with server(workspace, port, "serving.log_requests=false") as (process, _):
        ours, p99 = load(port, process.pid, script)
    name = f"CPU per decision at saturation, {CONNECTIONS} connections (p99 {p99:.1f} ms)"
    peer = (f"an empty endpoint, same body (p99 {floor_p99:.1f} ms)", floor)
    bench.row(name, ours=ours, unit="us", peer=peer, target=0.6)
