"""Loading everybody into Redis, beside a key per customer."""

import os
import uuid
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.benchmarks.conftest import Bench
from tests.benchmarks.test_nightly import N_PEER, NAMES, N, files, folder, micros  # noqa: F401
from tests.benchmarks.test_scoring import ENCODER
from uplift.online.redis_client import connect
from uplift.online.redis_versions import RedisSender, RedisVersions
from uplift.spark.online import send_partitions

pytestmark = pytest.mark.spark

REDIS = os.environ.get("UPLIFT_REDIS", "redis://127.0.0.1:6379/0")


def test_loading_the_online_store(bench: Bench, spark: SparkSession, folder: Path) -> None:  # noqa: F811
    campaign = f"bench-{uuid.uuid4().hex}"
    client = connect(REDIS, timeout_seconds=30.0)
    if os.environ.get("UPLIFT_REDIS") is None and not reachable(client):
        pytest.skip(f"no Redis at {REDIS}; set UPLIFT_REDIS")
    versions = RedisVersions(client, campaign)
    n = sum(pq.read_metadata(path).num_rows for path in files(folder, N))
    version = versions.begin("run", features=tuple(NAMES), customers=n)
    sender = RedisSender(REDIS, 30.0, campaign, "run", version, ENCODER)
    columns = ["unit_id", "contactable", *NAMES]

    def load() -> None:
        send_partitions(spark.read.parquet(*files(folder, N)), columns, sender)
        versions.swap("run", version, keep_seconds=1)

    def plain() -> None:
        """A key per customer, one process, pipelines of 10,000."""
        with client.pipeline(transaction=False) as pipeline:
            for batch in ds.dataset(files(folder, N_PEER)).to_batches(batch_size=10_000):
                matrix = np.column_stack([batch.column(name).to_numpy() for name in NAMES])
                for unit, row in zip(batch.column("unit_id").to_pylist(), matrix, strict=True):
                    pipeline.set(f"uplift:{campaign}:plain:{unit}", row.tobytes(), ex=600)
                pipeline.execute()

    try:
        bench.row(
            f"load the online store (Redis), {n:,} customers",
            ours=micros(load, files(folder, N)),
            unit="us/row",
            peer=(
                f"SET per customer, one process, {N_PEER:,} rows",
                micros(plain, files(folder, N_PEER)),
            ),
            target=1.0,
        )
    finally:
        for key in client.scan_iter(f"uplift:{campaign}:*", count=10_000):
            client.unlink(key)
        client.close()


def reachable(client: object) -> bool:
    try:
        return bool(client.ping())  # type: ignore[attr-defined]
    except Exception:
        return False
