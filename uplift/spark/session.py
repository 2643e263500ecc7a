"""The only place that makes a Spark session."""

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from uplift.config import SparkSettings
from uplift.spark.java import ensure_java

_DEFAULTS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.memory": "4g",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50000",
    # Other readers (DuckDB, pyarrow) then see the same instant as Spark.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}

# Only where we start the JVM: spark-submit's has its own log configuration. The parallel collector
# suits batch work: throughput counts here, pauses do not.
_JAVA = {
    "spark.driver.extraJavaOptions": (
        f'"-Dlog4j2.configurationFile={Path(__file__).with_name("log4j2.properties")}" '
        "-XX:+UseParallelGC"
    )
}

_LOCAL_DEFAULTS = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "4",
}


def make_session(settings: SparkSettings, *, app_name: str) -> SparkSession:
    """The session to work in: the active one, spark-submit's, or a new one of ``settings``.

    An active session keeps its settings. What was given to spark-submit is kept too; only what
    it left open, and can still be set, is filled in. A new session finds its own Java and, where
    it is local, runs its Python workers with this interpreter. Timestamps are UTC in all three.
    """
    session = SparkSession.getActiveSession()
    if session is None:
        session = _submitted(settings, app_name) if _is_submitted() else _new(settings, app_name)
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return session


def _is_submitted() -> bool:
    """Whether spark-submit has started a JVM and waits for us."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def _submitted(settings: SparkSettings, app_name: str) -> SparkSession:
    session = SparkSession.builder.appName(app_name).getOrCreate()
    given = session.sparkContext.getConf()
    for key, value in {**_DEFAULTS, **settings.settings}.items():
        if not given.contains(key) and session.conf.isModifiable(key):
            session.conf.set(key, value)
    return session


def _new(settings: SparkSettings, app_name: str) -> SparkSession:
    is_local = settings.master.startswith("local")
    os.environ["JAVA_HOME"] = str(ensure_java().home)
    if is_local or "PYSPARK_PYTHON" not in os.environ:  # a cluster may keep its Python elsewhere
        os.environ["PYSPARK_PYTHON"] = sys.executable
    local = _LOCAL_DEFAULTS if is_local else {}
    builder = SparkSession.builder.appName(app_name).master(settings.master)
    for key, value in {**_DEFAULTS, **_JAVA, **local, **settings.settings}.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
