"""Turn the log of an experiment into a training set.

Reads the three tables of ``inputs.raw`` (assignments, events, customers), or the one of
``inputs.flat_log``; writes the table ``training_set``. Rows that break their contract go to
``quarantine/<table>``, their counts to the report ``contracts``; the job fails if they are more
than ``inputs.quarantine_fail``.

    spark-submit jobs/build_training_set.py --config conf/base.yaml --config FILE

Next: jobs/train_model.py
"""

import logging
import sys
import time
from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession

from uplift import columns
from uplift.config import Config, FlatLog, RawInputs
from uplift.features.spec import feature_columns
from uplift.logs import event
from uplift.spark.contracts import require_known_arms, require_values
from uplift.spark.door import run_job
from uplift.spark.event_features import require_events
from uplift.spark.flat_log import flat_training_frame
from uplift.spark.inputs import read_assignments, read_customers, read_events, read_flat_log
from uplift.spark.quarantine import set_aside
from uplift.spark.row_rules import Contracted
from uplift.spark.tables import write_table
from uplift.spark.training_frame import assignments_of, training_frame
from uplift.workspace import Workspace

log = logging.getLogger(__name__)


def run(spark: SparkSession, config: Config) -> None:
    """Read, build, check, write."""
    start = time.monotonic()
    features = [column.name for column in feature_columns(config.features)]
    frame = build(spark, config).sortWithinPartitions(columns.UNIT_ID).persist()
    try:
        require_values(
            frame,
            keys=[columns.UNIT_ID],
            binary=[columns.CONVERSION],
            chances=[columns.PROPENSITY],
            features=features,
            source="the training set",
        )
        rows = write_table(frame, Workspace(config.workspace).table("training_set"))
    finally:
        frame.unpersist()
    seconds = round(time.monotonic() - start, 1)
    event(log, "training_set.written", rows=rows, features=len(features), seconds=seconds)


def build(spark: SparkSession, config: Config) -> DataFrame:
    """The whole job minus checking and writing."""
    match config.inputs.log:
        case RawInputs() as raw:
            return from_raw(spark, raw, config)
        case FlatLog() as flat_log:
            return from_flat_log(spark, flat_log, config)


def from_raw(spark: SparkSession, raw: RawInputs, config: Config) -> DataFrame:
    """The training set of three raw tables."""
    campaign, features = config.campaign, config.features
    assignments = read_assignments(spark, raw, campaign)
    events = read_events(spark, raw)
    customers = read_customers(spark, raw, features.static)
    part(spark, [assignments, events, customers], config)
    event_types = [campaign.outcome_event, *(feature.event_type for feature in features.events)]
    require_events(events.rows, event_types, source=raw.events)
    first = assignments_of(assignments.rows, campaign.id, source=raw.assignments)
    return training_frame(
        require_known_arms(first, campaign.arms, campaign.ignore_arms, source=raw.assignments),
        events.rows,
        customers.rows,
        campaign=campaign,
        features=features,
        test_share=config.training.test_share,
        salt=config.training.salt,
    )


def from_flat_log(spark: SparkSession, flat_log: FlatLog, config: Config) -> DataFrame:
    """The training set of a log with one row per unit."""
    flat = read_flat_log(spark, flat_log, config.features.static, config.campaign)
    part(spark, [flat], config)
    return flat_training_frame(
        flat.rows,
        campaign=config.campaign,
        features=config.features,
        test_share=config.training.test_share,
        salt=config.training.salt,
        source=str(flat_log.path),
    )


def part(spark: SparkSession, tables: Sequence[Contracted], config: Config) -> None:
    """Set broken rows aside and say how many; from here on the tables' ``rows`` are good ones."""
    limit = config.inputs.quarantine_fail
    tallies = set_aside(spark, tables, Workspace(config.workspace), fail_above=limit)
    event(log, "inputs.judged", level=tallies.level, **tallies.facts())


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
