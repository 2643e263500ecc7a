"""The same night by spark-submit on a standalone cluster: two workers on loopback."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyspark
import pytest

from tests.conftest import ROOT
from tests.pipeline.builders import N, Nights
from uplift.audience.snapshot import current
from uplift.spark.java import ensure_java

pytestmark = [pytest.mark.spark, pytest.mark.long]

SPARK = Path(pyspark.__file__).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Spark's scripts find Java and the interpreter here; no package of ours is on the path."""
    plain = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return plain | {
        "JAVA_HOME": str(ensure_java().home),
        "SPARK_HOME": str(SPARK),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_NO_DAEMONIZE": "1",
    }


@pytest.fixture(scope="module")
def master(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("cluster")
    port = free_port()
    url = f"spark://127.0.0.1:{port}"
    place = ["--host", "127.0.0.1", "--webui-port", str(free_port())]
    worker = ["org.apache.spark.deploy.worker.Worker", "--cores", "1", "--memory", "1g", *place[:2]]
    commands = [
        ["org.apache.spark.deploy.master.Master", "--port", str(port), *place],
        *([*worker, "--work-dir", str(folder / name), url] for name in ("one", "two")),
    ]
    processes = []
    with (folder / "output").open("wb") as output:
        for command in commands:
            processes.append(
                subprocess.Popen(
                    [str(SPARK / "bin" / "spark-class"), *command],
                    env=environment,
                    stdout=output,
                    stderr=output,
                )
            )
            wait_for_port(port, processes[0], folder / "output")
        yield url
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=30)


def wait_for_port(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    pytest.fail(f"the master did not start: {output.read_text()[-2000:]}")


def test_a_night_on_two_workers_is_the_night_of_one_machine(
    spark: object, master: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """Only an archive of the packages travels; the published run is the same to the last byte."""
    (tmp_path / "local").mkdir()
    (tmp_path / "cluster").mkdir()
    local, cluster = Nights(tmp_path / "local"), Nights(tmp_path / "cluster")
    assert local.night() == 0
    package = tmp_path / "package"
    for name in ("uplift", "jobs"):
        shutil.copytree(ROOT / name, package / name, ignore=shutil.ignore_patterns("__pycache__"))
    archive = shutil.make_archive(str(tmp_path / "uplift"), "zip", package)
    command = [
        str(SPARK / "bin" / "spark-submit"),
        *("--master", master, "--py-files", archive, "--executor-memory", "512m"),
        *("--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.ui.enabled=false"),
        *("--conf", "spark.sql.shuffle.partitions=3"),
        str(package / "jobs" / "nightly.py"),
        *cluster.options(),
    ]

    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr[-3000:]
    here, there = (current(nights.workspace.published) for nights in (local, cluster))
    there.verify()
    assert there.facts.rows["scores"] == N
    assert there.manifest == here.manifest
