"""Load the online store with the run that was placed last, then point readers to it.

Reads the report snapshot, the run it names and the table customer_features. Where `online.store` is
redis, loads a version of its own from Spark's partitions, counts it, and swaps it in; where it is
embedded, the store is a file of the run and there is nothing to load. Then moves published/CURRENT
and deletes runs beyond `publishing.keep_runs`. A run older than the one in use is loaded nowhere
and pointed to by nobody: jobs/roll_back.py goes back on purpose.

    python -m jobs.load_online_store --config conf/base.yaml --config conf/campaigns/coupon.yaml
    spark-submit jobs/load_online_store.py --config ...

Next: jobs/export_segments.py, or `python -m serving`
"""

import logging
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from uplift import columns
from uplift.audience.history import history, release
from uplift.audience.snapshot import Snapshot, current, publishing, run_of
from uplift.config import Config
from uplift.errors import UpliftError, VersionMismatchError
from uplift.learners.model import load_model
from uplift.logs import event
from uplift.online.redis_client import answering, connect
from uplift.online.redis_versions import RedisSender, RedisVersions
from uplift.spark.door import run_job
from uplift.spark.online import send_partitions
from uplift.spark.tables import read_table
from uplift.workspace import Workspace, read_document

log = logging.getLogger(__name__)


def run(spark: SparkSession, config: Config) -> None:
    """Load, count, swap, point."""
    workspace = Workspace(config.workspace)
    snapshot = placed_run(workspace)
    in_use = _run_in_use(workspace)
    if in_use is not None and in_use.facts.as_of > snapshot.facts.as_of:
        event(
            log,
            "pointer.kept",
            level=logging.WARNING,
            run_id=in_use.run_id,
            reason=f"run {snapshot.run_id} is of an earlier day; jobs/roll_back goes back",
        )
        return
    if config.online.store == "redis":
        load_redis(spark, config, snapshot)
    with publishing(workspace.published):
        gone = release(workspace.published, snapshot.run_id, keep=config.publishing.keep_runs)
    event(log, "pointer.moved", run_id=snapshot.run_id, runs_deleted=len(gone))


def placed_run(workspace: Workspace) -> Snapshot:
    """The run that jobs/publish_snapshot placed last."""
    document = read_document(workspace.report("snapshot"), made_by="publish_snapshot.py")
    return run_of(workspace.published, str(document["run_id"]))


def holds(config: Config) -> bool:
    """Whether readers were pointed to the placed run, and Redis still holds it.

    A run that somebody rolled back from was pointed to: doing the night again does not undo that.
    """
    workspace = Workspace(config.workspace)
    try:
        snapshot, in_use = placed_run(workspace), current(workspace.published)
        if in_use.run_id != snapshot.run_id:
            was_pointed_to = snapshot.run_id in history(workspace.published)
            return was_pointed_to or in_use.facts.as_of > snapshot.facts.as_of
        if config.online.store == "embedded":
            return True
        settings = config.online.redis
        versions = RedisVersions(
            connect(settings.url, timeout_seconds=settings.timeout_seconds), config.campaign.id
        )
        with answering():
            version = versions.known().get(snapshot.run_id)
            return (
                version is not None
                and version.state == "ready"
                and versions.current() == snapshot.run_id
                and versions.count(snapshot.run_id, version) == version.customers
            )
    except UpliftError:
        return False


def load_redis(spark: SparkSession, config: Config, snapshot: Snapshot) -> None:
    """Load a version for the run, count it, and let the older ones expire."""
    start = time.monotonic()
    settings, campaign_id = config.online.redis, config.campaign.id
    features = read_table(
        spark,
        Workspace(config.workspace).table("customer_features"),
        made_by="build_customer_features",
    )
    require_same_night(features, snapshot)
    encoder = load_model(snapshot.model).encoder
    versions = RedisVersions(
        connect(settings.url, timeout_seconds=settings.timeout_seconds), campaign_id
    )
    with answering():
        version = versions.begin(
            snapshot.run_id,
            features=tuple(encoder.names),
            customers=snapshot.facts.rows["customers"],
        )
    sender = RedisSender(
        url=settings.url,
        timeout_seconds=settings.timeout_seconds,
        campaign_id=campaign_id,
        run_id=snapshot.run_id,
        version=version,
        encoder=encoder,
    )
    names = [columns.UNIT_ID, columns.CONTACTABLE, *encoder.names]
    sent = send_partitions(features, names, sender)
    with answering():
        versions.swap(snapshot.run_id, version, keep_seconds=settings.keep_seconds)
    event(
        log,
        "redis.loaded",
        run_id=snapshot.run_id,
        customers=sent,
        keys=version.buckets,
        seconds=round(time.monotonic() - start, 1),
    )


def require_same_night(features: DataFrame, snapshot: Snapshot) -> None:
    """Refuse features of another day than the run's.

    Raises:
        VersionMismatchError: With both days.
    """
    found = features.agg(F.max(F.unix_seconds(columns.AS_OF))).collect()[0][0]
    as_of = datetime.fromtimestamp(found or 0, UTC)
    if as_of != snapshot.facts.as_of:
        raise VersionMismatchError(
            f"customer_features are as of {as_of.isoformat()}, run {snapshot.run_id} is as of "
            f"{snapshot.facts.as_of.isoformat()}. Run jobs.nightly, or the jobs from "
            "jobs.build_customer_features on."
        )


def _run_in_use(workspace: Workspace) -> Snapshot | None:
    """What readers use; None before the first night, or if the pointer was damaged."""
    try:
        return current(workspace.published)
    except UpliftError:
        return None


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
