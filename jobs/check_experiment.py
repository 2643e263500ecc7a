"""Check whether the experiment can carry a causal claim.

Reads the inputs of the campaign: the three tables of ``inputs.raw`` or ``inputs.flat_log``.
Writes the report ``experiment``: a verdict (pass, warn, fail), one answer in plain words per
check, units per arm, and each arm's average effect. Rows that break their contract go to
``quarantine/<table>``, their counts to the report ``contracts``; the job fails if they are more
than ``inputs.quarantine_fail``.

    spark-submit jobs/check_experiment.py --config conf/base.yaml --config FILE

A failed verdict stops the walk here, unless ``experiment.override_failed_verdict_by`` names who
takes the responsibility; the name goes into the report.

Next: jobs/build_training_set.py
"""

import logging
import sys
import time
from collections.abc import Sequence

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import build_training_set
from uplift import columns
from uplift.config import Campaign, Config, FlatLog, RawInputs
from uplift.errors import ExperimentError
from uplift.experiment.counts import Vector
from uplift.experiment.health import Draws, ExperimentReport, check_experiment
from uplift.features.spec import feature_columns
from uplift.logs import event
from uplift.spark.aggregates import arm_counts, draws
from uplift.spark.contracts import number_arms, require_values
from uplift.spark.door import run_job
from uplift.spark.inputs import read_assignments, read_events, read_flat_log
from uplift.workspace import Workspace, write_document

log = logging.getLogger(__name__)


def run(spark: SparkSession, config: Config) -> None:
    """Read, check, write the report, and refuse what must be refused."""
    start = time.monotonic()
    report = build(spark, config)
    path = Workspace(config.workspace).report("experiment")
    write_document(path, report.to_document())
    doubts = report.complaints("fail") + report.complaints("warn")
    event(
        log,
        "experiment.checked",
        level=logging.WARNING if doubts else logging.INFO,
        verdict=report.verdict,
        units=sum(report.n_units),
        doubts=doubts,
        seconds=round(time.monotonic() - start, 1),
    )
    if report.is_refused:
        raise ExperimentError(
            f"experiment {config.campaign.id!r} fails {len(report.complaints('fail'))} of "
            f"{len(report.checks)} checks: {'; '.join(report.complaints('fail'))}. See {path}; to "
            "go on nevertheless, put your name into `experiment.override_failed_verdict_by`."
        )


def build(spark: SparkSession, config: Config) -> ExperimentReport:
    """The whole job minus writing; it judges the very rows that would be learned from."""
    arms = config.campaign.arms
    n_arms = len(arms.names)
    features = feature_columns(config.features)
    numeric = [feature.name for feature in features if feature.kind == "numeric"]
    categorical = [feature.name for feature in features if feature.kind == "categorical"]
    units = build_training_set.build(spark, config).persist()
    try:
        require_values(
            units,
            keys=[columns.UNIT_ID],
            binary=[columns.CONVERSION],
            chances=[columns.PROPENSITY],
            features=[*numeric, *categorical],
            source=f"the log of experiment {config.campaign.id!r}",
        )
        covariates = arm_counts(units, numeric, categorical, n_arms=n_arms)
        outcomes = arm_counts(units, _outcomes(units), n_arms=n_arms)
    finally:
        units.unpersist()
    return check_experiment(
        arms,
        covariates,
        _draws(spark, config),
        shares=_planned_shares(config.campaign),
        limits=config.experiment,
        outcomes=outcomes,
    )


def _outcomes(units: DataFrame) -> list[str]:
    """Conversion, and revenue where it is known."""
    has_revenue = not units.where(F.col(columns.REVENUE).isNotNull()).isEmpty()
    return [columns.CONVERSION, columns.REVENUE] if has_revenue else [columns.CONVERSION]


def _draws(spark: SparkSession, config: Config) -> Draws:
    """From every assignment, because the training set keeps only the first of a unit."""
    arms = config.campaign.arms
    match config.inputs.log:
        case RawInputs() as raw:
            events: DataFrame | None = read_events(spark, raw).rows
            assignments = read_assignments(spark, raw, config.campaign).rows.where(
                F.col(columns.EXPERIMENT_ID) == config.campaign.id
            )
        case FlatLog() as flat_log:
            events = None
            flat = read_flat_log(spark, flat_log, config.features.static, config.campaign)
            assignments = flat.rows.withColumn(columns.ASSIGNED_AT, F.lit(None).cast("timestamp"))
    return draws(number_arms(assignments, arms), n_arms=len(arms.names), events=events)


def _planned_shares(campaign: Campaign) -> Vector | None:
    shares = campaign.planned_shares
    if shares is None:
        return None
    return np.array([shares[name] for name in campaign.arms.names], dtype=np.float64)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
