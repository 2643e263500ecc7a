"""Fold new, changed and late event files into daily aggregates per customer.

Reads the files of ``inputs.raw.events`` that are not in ``tables/daily/ledger.json`` as they are
now; sets their broken rows aside (``tables/quarantine/events``); writes parts of days below
``tables/daily/days`` and turns the ledger. Running it again, or after a crash, does what is left to
do. jobs/build_customer_features.py does the same where ``features.incremental`` is true, so this
job is for folding by day, as files arrive.

    spark-submit jobs/fold_events.py --config conf/base.yaml --config FILE

To start over, delete ``tables/daily`` of the workspace. Next: jobs/build_customer_features.py
"""

import logging
import sys
import time
from collections.abc import Sequence

from pyspark.sql import SparkSession

from jobs.read_experiment import part
from uplift.config import Config, FlatLog, RawInputs
from uplift.errors import ConfigError, ContractError
from uplift.features.spec import event_columns
from uplift.logs import event
from uplift.spark.daily.demand import valued_types
from uplift.spark.daily.fold import fold_events
from uplift.spark.daily.ledger import Ledger
from uplift.spark.daily.store import daily_store
from uplift.spark.door import run_job
from uplift.spark.event_features import feature_summaries
from uplift.workspace import Workspace

log = logging.getLogger(__name__)


def run(spark: SparkSession, config: Config) -> None:
    """Fold what is new."""
    match config.inputs.log:
        case RawInputs() as raw:
            fold(spark, raw, config)
        case FlatLog() as flat_log:
            raise ConfigError(
                f"`inputs.flat_log` ({flat_log.path}) has no events to fold: one row per unit. "
                "Leave this job out, or describe three tables in `inputs.raw`."
            )


def fold(spark: SparkSession, raw: RawInputs, config: Config) -> Ledger:
    """Fold what is new, tell what it was, and return the ledger.

    Raises:
        ContractError: No event of any day, or of a declared type, has ever been logged.
    """
    start = time.monotonic()
    summaries = feature_summaries(event_columns(config.features))
    store = daily_store(Workspace(config.workspace))
    report = fold_events(
        spark,
        raw,
        store,
        judge=lambda fresh: part(spark, [fresh], config),
        valued_types=valued_types(summaries),
        drop_repeated=config.features.repeated_events == "drop",
    )
    event(
        log,
        "events.folded",
        files=report.files,
        rows=report.rows,
        days=len(report.days),
        days_anew=len(report.broken_days),
        reason=report.reason,
        seconds=round(time.monotonic() - start, 1),
    )
    declared = [feature.event_type for feature in config.features.events]
    _require_types(report.ledger, declared, source=raw.events)
    return report.ledger


def _require_types(ledger: Ledger, event_types: Sequence[str], *, source: str) -> None:
    """Refuse an empty log, and declared types that never occur: a misspelt one is nobody's."""
    if not ledger.parts:
        raise ContractError(
            f"{source} has no event with a time: 0 rows in {len(ledger.files)} files. Check "
            "`inputs.raw.events` and what writes this table."
        )
    wanted = sorted(set(event_types))
    absent = [name for name in wanted if name not in ledger.event_types]
    if absent:
        raise ContractError(
            f"{source} has no event of {len(absent)} of {len(wanted)} types: {absent}; its "
            f"{ledger.n_rows} rows are of {sorted(ledger.event_types)[:10]}. Check "
            "`features.events`."
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
