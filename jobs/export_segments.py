"""Write the customers of one segment to a file for marketers.

Reads the run that published/CURRENT points to. Writes exports/<segment>-<run_id>.csv (or .parquet)
and beside it a .json document with the run, the versions, the checksum and what to expect. Nobody
of the holdout and nobody who may not be contacted is in the file. Needs no Spark.

    python -m jobs.export_segments --set export.segment=sure_thing --set export.format=parquet

Next: send the file, or `python -m serving` for decisions one by one
"""

import logging
import sys
from collections.abc import Sequence

from uplift.audience.export import export_segment
from uplift.audience.snapshot import current
from uplift.config import Config
from uplift.logs import event
from uplift.spark.door import run_plain_job
from uplift.workspace import Workspace

_LOG = logging.getLogger(__name__)


def run(config: Config) -> None:
    """Export the segment that ``export.segment`` names from an undamaged run."""
    workspace = Workspace(config.workspace)
    snapshot = current(workspace.published)
    snapshot.verify()
    export = export_segment(
        snapshot,
        config.export.segment,
        file_format=config.export.format,
        folder=workspace.exports,
    )
    event(
        _LOG,
        "audience.exported",
        level=logging.INFO if export.rows else logging.WARNING,
        segment=config.export.segment,
        rows=export.rows,
        is_empty=not export.rows,
        incremental_conversions=export.outlook.as_decided.incremental_conversions,
        profit_eur=export.outlook.as_decided.profit_eur,
        path=str(export.path),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a job; the exit status is 2 after an error."""
    return run_plain_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
