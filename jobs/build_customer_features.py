"""Compute everybody's features as of the start of the run date.

Reads events and customers of ``inputs.raw``, or ``inputs.flat_log``; writes the table
``customer_features``. Rows that break their contract go to ``quarantine/<table>``, their counts to
the report ``contracts``; the job fails if they are more than ``inputs.quarantine_fail``.

    spark-submit jobs/build_customer_features.py --config conf/base.yaml --config FILE

Next: jobs/score_customers.py
"""

import logging
import sys
import time
from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession

from jobs.read_experiment import part
from uplift import columns
from uplift.config import Config, FlatLog, RawInputs
from uplift.features.spec import feature_columns
from uplift.logs import event
from uplift.spark.contracts import require_values
from uplift.spark.customer_features import customer_features, scoring_time
from uplift.spark.door import run_job
from uplift.spark.event_features import require_events
from uplift.spark.flat_log import flat_customer_features
from uplift.spark.inputs import read_customers, read_events, read_flat_log
from uplift.spark.tables import write_table
from uplift.workspace import Workspace

log = logging.getLogger(__name__)


def run(spark: SparkSession, config: Config) -> None:
    """Read, build, check, write."""
    start = time.monotonic()
    features = [column.name for column in feature_columns(config.features)]
    frame = build(spark, config).sortWithinPartitions(columns.UNIT_ID).persist()
    try:
        require_values(
            frame, keys=[columns.UNIT_ID], features=features, source="the customer features"
        )
        rows = write_table(frame, Workspace(config.workspace).table("customer_features"))
    finally:
        frame.unpersist()
    seconds = round(time.monotonic() - start, 1)
    event(log, "customer_features.written", rows=rows, features=len(features), seconds=seconds)


def build(spark: SparkSession, config: Config) -> DataFrame:
    """The whole job minus checking and writing."""
    match config.inputs.log:
        case RawInputs() as raw:
            return from_raw(spark, raw, config)
        case FlatLog() as flat_log:
            return from_flat_log(spark, flat_log, config)


def from_raw(spark: SparkSession, raw: RawInputs, config: Config) -> DataFrame:
    """Everybody in the customers table, by the events before the run date."""
    events = read_events(spark, raw)
    customers = read_customers(spark, raw, config.features.static)
    part(spark, [events, customers], config)
    event_types = [feature.event_type for feature in config.features.events]
    require_events(events.rows, event_types, source=raw.events)
    as_of = scoring_time(events.rows, config.run_date, source=raw.events)
    return customer_features(customers.rows, events.rows, features=config.features, as_of=as_of)


def from_flat_log(spark: SparkSession, flat_log: FlatLog, config: Config) -> DataFrame:
    """Everybody in the log, by the features it holds."""
    flat = read_flat_log(spark, flat_log, config.features.static, config.campaign)
    part(spark, [flat], config)
    return flat_customer_features(flat.rows, features=config.features, run_date=config.run_date)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
