"""Compute everybody's features as of the start of the run date.

Reads events and customers of ``inputs.raw``, or ``inputs.flat_log``; writes the table
``customer_features``. With ``features.incremental`` it folds the events that are new
(jobs/fold_events.py) and moves last night's totals on, instead of reading the history. Rows that
break their contract go to ``quarantine/<table>``, their counts to the report ``contracts``; the job
fails if they are more than ``inputs.quarantine_fail``.

    spark-submit jobs/build_customer_features.py --config conf/base.yaml --config FILE

Next: jobs/score_customers.py
"""

import logging
import sys
import time
from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession

from jobs.fold_events import fold
from jobs.read_experiment import part
from uplift import columns
from uplift.config import Config, FlatLog, RawInputs
from uplift.features.spec import event_columns, feature_columns
from uplift.logs import event
from uplift.spark.contracts import require_values
from uplift.spark.customer_features import customer_features, scoring_time, start_of
from uplift.spark.daily.demand import demand_of
from uplift.spark.daily.finish import customer_features_from_totals
from uplift.spark.daily.ledger import date_of, day_number
from uplift.spark.daily.night import bring_totals
from uplift.spark.daily.store import daily_store
from uplift.spark.door import run_job
from uplift.spark.event_features import feature_summaries, require_events
from uplift.spark.flat_log import flat_customer_features
from uplift.spark.inputs import read_customers, read_events, read_flat_log
from uplift.spark.tables import write_table
from uplift.workspace import Workspace

log = logging.getLogger(__name__)

_HAPPENED = {"keep": "totals.kept", "advance": "totals.advanced", "rebuild": "totals.rebuilt"}


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
        case RawInputs() as raw if config.features.incremental and config.features.events:
            return from_daily_totals(spark, raw, config)
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


def from_daily_totals(spark: SparkSession, raw: RawInputs, config: Config) -> DataFrame:
    """The same, from running totals that move on by the days since the last night."""
    ledger = fold(spark, raw, config)
    customers = read_customers(spark, raw, config.features.static)
    part(spark, [customers], config)
    run_date = config.run_date or date_of(max(ledger.parts) + 1)
    demand = demand_of(feature_summaries(event_columns(config.features)))
    totals, step = bring_totals(
        spark,
        daily_store(Workspace(config.workspace)),
        ledger.parts,
        demand=demand,
        until=day_number(run_date),
    )
    event(
        log,
        _HAPPENED[step.kind],
        as_of=str(run_date),
        parts_in=len(step.entering),
        parts_out=len(step.leaving),
        reason=step.reason,
    )
    return customer_features_from_totals(
        customers.rows, totals, features=config.features, demand=demand, as_of=start_of(run_date)
    )


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
