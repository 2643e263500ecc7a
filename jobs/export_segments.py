"""Write the audience files that the campaign orders, for marketers.

Reads the run that published/CURRENT points to, the attributes of customers and the list of those
who asked to be left alone. Writes, per order of ``export.orders``, a folder below exports/ with
the file, its manifest and its members, and puts the file where ``deliver`` says. Nobody of the
holdout and nobody who may not be contacted is in a file. Needs no Spark.

    python -m jobs.export_segments
    python -m jobs.export_segments --set 'export.orders=[{audience: {top_n: 500}, format: xlsx}]'

Next: send the file, or `python -m serving` for decisions one by one
"""

import getpass
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from uplift.audience.delivery import deliver
from uplift.audience.export import write_export
from uplift.audience.snapshot import current
from uplift.audience.source import Source
from uplift.audience.suppression import Suppressions
from uplift.config import Config
from uplift.logs import event
from uplift.spark.door import run_plain_job
from uplift.workspace import Workspace

_LOG = logging.getLogger(__name__)


def run(config: Config) -> None:
    """Carry out every order on an undamaged run."""
    workspace = Workspace(config.workspace)
    source = campaign_source(config)
    source.snapshot.verify()
    for order in config.export.orders:
        written = write_export(
            source,
            order,
            workspace.exports,
            rules=config.export,
            by=f"job of {getpass.getuser()}",
            at=datetime.now(UTC),
        )
        event(
            _LOG,
            "audience.exported",
            level=logging.INFO if written.rows else logging.WARNING,
            export=written.export_id,
            rows=written.rows,
            is_empty=not written.rows,
            incremental_conversions=written.outlook.as_decided.incremental_conversions,
            profit_eur=written.outlook.as_decided.profit_eur,
            path=str(written.file),
        )
        if order.deliver:
            where = deliver(written.file, order.deliver)
            event(_LOG, "audience.delivered", export=written.export_id, to=where)


def campaign_source(config: Config) -> Source:
    """What the campaign's audiences are cut from tonight."""
    workspace = Workspace(config.workspace)
    return Source(
        snapshot=current(workspace.published),
        attributes=config.attributes,
        suppressed=Suppressions(workspace.suppressions).unit_ids(),
        memory_mb=config.export.memory_mb,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a job; the exit status is 2 after an error."""
    return run_plain_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
