"""Check whether the experiment can carry a causal claim.

Reads the inputs of the campaign: the three tables of ``inputs.raw`` or ``inputs.flat_log``.
Writes the report ``experiment``: a verdict (pass, warn, fail), one answer in plain words per
check, units per arm, and each arm's average effect.

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
from uplift.experiment.checks.words import require_known_checks
from uplift.experiment.counts import Vector
from uplift.experiment.report import ExperimentReport, check_experiment
from uplift.features.spec import feature_columns
from uplift.logs import event
from uplift.spark.contracts import number_arms, require_values
from uplift.spark.door import run_job
from uplift.spark.evidence import TimedLog, gather_evidence
from uplift.spark.inputs import read_assignments, read_events, read_flat_log
from uplift.spark.training_frame import assignments_of, planned_propensity
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
    campaign, limits = config.campaign, config.experiment
    require_known_checks(limits.overrides)
    features = feature_columns(config.features)
    source = f"the log of experiment {campaign.id!r}"
    units = build_training_set.build(spark, config).persist()
    try:
        require_values(
            units,
            keys=[columns.UNIT_ID],
            binary=[columns.CONVERSION],
            chances=[columns.PROPENSITY],
            features=[feature.name for feature in features],
            source=source,
        )
        assignments, log = _log(spark, config)
        evidence = gather_evidence(
            units,
            assignments,
            log,
            features=features,
            campaign=campaign,
            limits=limits,
            source=source,
        )
    finally:
        units.unpersist()
    return check_experiment(
        evidence, shares=_planned_shares(campaign), limits=limits, experiment_id=campaign.id
    )


def _log(spark: SparkSession, config: Config) -> tuple[DataFrame, TimedLog | None]:
    """Every assignment, because the training set keeps only the first of a unit, and the events."""
    campaign = config.campaign
    match config.inputs.log:
        case RawInputs() as raw:
            everywhere = read_assignments(spark, raw)
            is_ours = F.col(columns.EXPERIMENT_ID) == campaign.id
            first = assignments_of(everywhere, campaign.id, source=raw.assignments)
            chance = F.coalesce(F.col(columns.PROPENSITY), planned_propensity(campaign))
            log = TimedLog(
                events=read_events(spark, raw),
                first=number_arms(first, campaign.arms).withColumn(columns.PROPENSITY, chance),
                elsewhere=everywhere.where(~is_ours),
            )
            return number_arms(everywhere.where(is_ours), campaign.arms), log
        case FlatLog() as flat_log:
            untimed = F.lit(None).cast("timestamp")
            rows = read_flat_log(spark, flat_log, ()).withColumn(columns.ASSIGNED_AT, untimed)
            return number_arms(rows, campaign.arms), None


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
