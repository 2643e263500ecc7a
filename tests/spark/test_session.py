import json
import subprocess
import sys
from pathlib import Path

import pytest

from uplift.config import SparkSettings
from uplift.spark.session import make_session

pytestmark = pytest.mark.spark

TELL = """
import json, os, sys
from uplift.config import SparkSettings
from uplift.spark.session import make_session

given = {"spark.sql.shuffle.partitions": "7", "spark.driver.memory": "512m"}
settings = SparkSettings(master="local[1]", settings=given)
spark = make_session(settings, app_name="a test")
worker = spark.range(1).rdd.map(lambda _: sys.executable).first()
keys = (
    "spark.sql.session.timeZone", "spark.sql.shuffle.partitions", "spark.driver.memory",
    "spark.sql.execution.arrow.maxRecordsPerBatch", "spark.driver.bindAddress", "spark.app.name",
)
told = {key: spark.conf.get(key, None) for key in keys}
told["master"] = spark.sparkContext.master
told["address"] = spark.sparkContext.uiWebUrl
told["same python"] = worker == sys.executable
spark.stop()
sys.stdout.write("told " + json.dumps(told))
"""


def told_by(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    return json.loads(done.stdout.partition("told ")[2]), done.stderr


def test_an_active_session_is_used_and_speaks_utc(spark):
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    other = SparkSettings(master="local[1]", settings={"spark.sql.shuffle.partitions": "99"})

    session = make_session(other, app_name="other")

    assert session is spark
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.shuffle.partitions") == "2"


def test_a_new_session_is_local_quiet_and_runs_this_python(tmp_path, monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", "another-python")
    script = tmp_path / "tell.py"
    script.write_text(TELL)

    told, stderr = told_by([sys.executable, str(script)])

    assert told == {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "7",
        "spark.driver.memory": "512m",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "50000",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.app.name": "a test",
        "master": "local[1]",
        "address": None,
        "same python": True,
    }
    chatter = [line for line in stderr.splitlines() if "incubator modules" not in line]
    assert chatter == []


def test_what_spark_submit_was_given_is_kept_and_the_rest_filled_in(tmp_path):
    script = tmp_path / "tell.py"
    script.write_text(TELL)
    submit = Path(sys.executable).with_name("spark-submit")
    given = ["--master", "local[2]", "--driver-memory", "600m"]
    given += ["--conf", "spark.sql.shuffle.partitions=3", "--conf", "spark.ui.enabled=false"]
    given += ["--conf", f"spark.pyspark.python={sys.executable}"]

    told, _ = told_by([str(submit), *given, str(script)])

    assert told["master"] == "local[2]"
    assert told["spark.sql.shuffle.partitions"] == "3"
    assert told["spark.driver.memory"] == "600m"
    assert told["spark.sql.session.timeZone"] == "UTC"
    assert told["spark.sql.execution.arrow.maxRecordsPerBatch"] == "50000"
    assert told["same python"]
