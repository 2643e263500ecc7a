"""Check whether the experiment can carry a causal claim.

Reads the inputs of the campaign: the three tables of ``inputs.raw`` or ``inputs.flat_log``.
Writes the report ``experiment``, as JSON and as a page for people (``reports/experiment.html``): a
verdict (pass, warn, fail), one answer in plain words per check, units per arm, each arm's average
effect and how far its features lie from control's. MLflow keeps both in a run of its own; a check
goes on without MLflow.

    spark-submit jobs/check_experiment.py --config conf/base.yaml --config FILE

A failed verdict stops the walk here, unless ``experiment.overrides`` names who takes the
responsibility for the check that failed, and why, or ``experiment.override_failed_verdict_by`` who
takes it for all. Either goes into the report.

Next: jobs/build_training_set.py
"""

import logging
import math
import sys
import time
from collections.abc import Iterator, Sequence

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import build_training_set
from uplift import columns
from uplift.config import Campaign, Config, FlatLog, RawInputs
from uplift.errors import ConfigError, ExperimentError
from uplift.experiment.checks.words import require_known_checks
from uplift.experiment.counts import Vector
from uplift.experiment.page import render_page
from uplift.experiment.report import ExperimentReport, check_experiment
from uplift.features.spec import feature_columns
from uplift.logs import event
from uplift.spark.contracts import number_arms, require_values
from uplift.spark.door import run_job
from uplift.spark.evidence import TimedLog, gather_evidence
from uplift.spark.inputs import read_assignments, read_events, read_flat_log
from uplift.spark.training_frame import assignments_of, planned_propensity
from uplift.tracking.runs import Findings, log_run
from uplift.tracking.store import open_store
from uplift.workspace import Workspace, write_document, write_text

log = logging.getLogger(__name__)


def run(spark: SparkSession, config: Config) -> None:
    """Read, check, write the report, and refuse what must be refused."""
    start = time.monotonic()
    report = build(spark, config)
    workspace = Workspace(config.workspace)
    path = workspace.report("experiment")
    page = render_page(report, limits=config.experiment)
    write_document(path, report.to_document())
    write_text(workspace.page("experiment"), page)
    keep_run(config, workspace, report, page)
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
            f"{len(report.checks)} checks: {'; '.join(report.complaints('fail'))}. See "
            f"{workspace.page('experiment')}; to go on, name the check and yourself in "
            "`experiment.overrides`, or yourself in `experiment.override_failed_verdict_by`."
        )


def keep_run(config: Config, workspace: Workspace, report: ExperimentReport, page: str) -> None:
    """Log the report as a run of MLflow; where that fails, say so and go on."""
    document = report.to_document()
    findings = Findings(
        metrics=dict(numbers_of(report)),
        documents={"experiment.json": document},
        pages={"experiment.html": page},
    )
    tags = {"verdict": report.verdict, "experiment_id": report.experiment_id}
    try:
        store = open_store(config.tracking, workspace)
        log_run(store, findings, name="check_experiment", tags=tags)
    except ConfigError as error:
        event(log, "run.not_logged", level=logging.WARNING, reason=str(error))


def numbers_of(report: ExperimentReport) -> Iterator[tuple[str, float]]:
    """Each check's value, and each effect with its error, as far as they are numbers."""
    named = [(f"check.{check.name}", check.value) for check in report.checks]
    for effect in report.effects:
        above = f"effect.{effect.outcome}.{effect.arm}"
        named.append((above, effect.difference))
        named.append((f"{above}.standard_error", effect.standard_error))
    yield from ((name, value) for name, value in named if math.isfinite(value))


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
