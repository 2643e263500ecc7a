"""Point readers to an older run: by default to the one before the current. Deletes nothing.

Reads published/HISTORY.json; verifies the older run, loads it into Redis where `online.store` is
redis and the server no longer holds it, then moves published/CURRENT. The next night publishes as
usual; doing the same night again does not undo a roll back. Needs no Spark.

    python -m jobs.roll_back --config conf/base.yaml --config conf/campaigns/coupon.yaml
    python -m jobs.roll_back --to 20260601-0123456789ab

Next: find out what was wrong with the newer run
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import closing

from uplift.audience.history import run_before
from uplift.audience.snapshot import point_to, publishing, run_of
from uplift.config import Config
from uplift.logs import event
from uplift.online.redis_client import answering, connect
from uplift.online.redis_versions import RedisVersions
from uplift.online.sqlite import SqliteStore
from uplift.spark.door import run_with_options
from uplift.workspace import Workspace

log = logging.getLogger(__name__)


def run(config: Config, options: argparse.Namespace) -> None:
    """Choose, verify, load, point."""
    root = Workspace(config.workspace).published
    with publishing(root):
        now, to = run_before(root, options.to)
        if config.online.store == "redis":
            reload_redis(config, to)
        point_to(root, to)
    event(log, "pointer.moved_back", level=logging.WARNING, run_id=to, instead_of=now)


def reload_redis(config: Config, run_id: str) -> None:
    """Make the version of a run whole again, from the run's own file, and swap it in."""
    settings = config.online.redis
    snapshot = run_of(Workspace(config.workspace).published, run_id)
    with closing(SqliteStore(snapshot.customers)) as store, answering():
        client = connect(settings.url, timeout_seconds=settings.timeout_seconds)
        versions = RedisVersions(client, config.campaign.id)
        version = versions.begin(
            run_id, features=store.names, customers=snapshot.facts.rows["customers"]
        )
        versions.fill(run_id, version, store.rows())
        versions.swap(run_id, version, keep_seconds=settings.keep_seconds)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", metavar="RUN_ID", help="the run (default: the one before)")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_with_options(__doc__, run, argv, add_options=_add_options)


if __name__ == "__main__":
    sys.exit(main())
