"""Check whether the experiments can carry a causal claim.

Reads the table ``experiment_units`` and, for what was drawn, the inputs of the campaign. Writes the
report ``experiment``: for each experiment a verdict (pass, warn, fail), one answer in plain words
per check, units per arm, and each arm's average effect.

    spark-submit jobs/check_experiment.py --config conf/base.yaml --config FILE

A failed verdict stops the walk here, unless ``experiment.override_failed_verdict_by`` names who
takes the responsibility; the name goes into the report.

Next: jobs/build_training_set.py
"""

import logging
import sys
import time
from collections.abc import Mapping, Sequence

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.read_experiment import EXPERIMENT_UNITS
from uplift import columns
from uplift.config import Config, Experiment, FlatLog, RawInputs
from uplift.errors import ExperimentError
from uplift.experiment.counts import Vector
from uplift.experiment.health import Draws, ExperimentReport, check_experiment
from uplift.features.spec import feature_columns
from uplift.logs import event
from uplift.spark.aggregates import arm_counts, draws
from uplift.spark.contracts import number_arms
from uplift.spark.door import run_job
from uplift.spark.inputs import read_assignments, read_events, read_flat_log
from uplift.spark.tables import read_table
from uplift.workspace import Workspace, read_document, write_document

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


def experiment_report(config: Config) -> dict[str, object]:
    """What this job found last."""
    path = Workspace(config.workspace).report("experiment")
    return read_document(path, made_by="check_experiment")


def require_sound(report: Mapping[str, object], override_by: str | None) -> None:
    """Refuse to learn from an experiment that failed, unless somebody answers for it."""
    if report["verdict"] == "fail" and override_by is None:
        raise ExperimentError(
            "the experiment failed its checks, see the report `experiment` in the workspace. "
            "Mend the log, or put your name in `experiment.override_failed_verdict_by`."
        )


def build(spark: SparkSession, config: Config) -> ExperimentReport:
    """The whole job minus writing; it judges the very rows that would be learned from."""
    [experiment] = config.campaign.pooled
    arms = config.campaign.arms
    n_arms = len(arms.names)
    features = feature_columns(config.features)
    numeric = [feature.name for feature in features if feature.kind == "numeric"]
    categorical = [feature.name for feature in features if feature.kind == "categorical"]
    path = Workspace(config.workspace).table(EXPERIMENT_UNITS)
    table = read_table(spark, path, made_by="read_experiment")
    units = table.where(F.col(columns.EXPERIMENT_ID) == experiment.id)
    return check_experiment(
        arms,
        arm_counts(units, numeric, categorical, n_arms=n_arms),
        _draws(spark, config),
        shares=_planned_shares(experiment, arms.names),
        limits=config.experiment,
        outcomes=arm_counts(units, _outcomes(units), n_arms=n_arms),
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
            events: DataFrame | None = read_events(spark, raw)
            assignments = read_assignments(spark, raw).where(
                F.col(columns.EXPERIMENT_ID) == config.campaign.id
            )
        case FlatLog() as flat_log:
            events = None
            assignments = read_flat_log(spark, flat_log, ()).withColumn(
                columns.ASSIGNED_AT, F.lit(None).cast("timestamp")
            )
    return draws(number_arms(assignments, arms), n_arms=len(arms.names), events=events)


def _planned_shares(experiment: Experiment, names: Sequence[str]) -> Vector | None:
    shares = experiment.planned_shares
    if shares is None:
        return None
    return np.array([shares[name] for name in names], dtype=np.float64)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
