"""Units and events as frames, for the tests of what is summed up from events."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyspark

from uplift.spark.java import ensure_java

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
AGGREGATES = ("count", "sum", "mean", "max", "min", "recency", "distinct", "trend")


def units_frame(spark, units):
    return spark.createDataFrame(units, "unit_id string, now timestamp")


def events_frame(spark, events):
    schema = "unit_id string, event_type string, event_at timestamp, value double"
    return spark.createDataFrame(events, schema)


@contextmanager
def standalone_cluster(n_workers: int, folder: Path, *, memory: str = "2g") -> Iterator[str]:
    """A master and workers of one core each on loopback; the URL of the master."""
    environment = {
        **os.environ,
        "JAVA_HOME": str(ensure_java().home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
    }
    command = [str(Path(pyspark.__file__).parent / "bin" / "spark-class")]
    deploy = "org.apache.spark.deploy"
    at = ["--host", "127.0.0.1", "--webui-port", "0"]
    started = []

    def start(name: str, *options: str) -> Path:
        log = folder / f"{name}.log"
        with log.open("w") as out:
            started.append(
                subprocess.Popen([*command, *options], env=environment, stdout=out, stderr=out)
            )
        return log

    try:
        log = start("master", f"{deploy}.master.Master", "--port", "0", *at)
        url = said(log, r"Starting Spark master at (spark://\S+)")
        size = ["--cores", "1", "--memory", memory]
        for number in range(n_workers):
            work = ["--work-dir", str(folder / f"work-{number}"), url]
            log = start(f"worker-{number}", f"{deploy}.worker.Worker", *size, *at, *work)
            said(log, r"(Successfully registered with master)")
        yield url
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(60)


def said(log: Path, pattern: str, *, within_s: float = 120.0) -> str:
    """What a process wrote into its log, as soon as it has."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = re.search(pattern, log.read_text())
        if found:
            return found.group(1)
        time.sleep(0.2)
    raise TimeoutError(f"{log} never said {pattern!r}: {log.read_text()[-2000:]}")
