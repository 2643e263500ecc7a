"""Check whether the experiments can carry a causal claim.

Reads the table ``experiment_units`` and, for what was drawn and logged, the inputs of the campaign.
Writes the report ``experiment``, as JSON and as a page for people for each experiment
(``reports/experiment-<id>.html``): a verdict (pass, warn, fail), one answer in plain words per
check, units per arm, each arm's average effect and how far its features lie from control's. MLflow
keeps both in a run of its own; a check goes on without MLflow.

    spark-submit jobs/check_experiment.py --config conf/base.yaml --config FILE

A failed verdict stops the walk here, unless ``experiment.overrides`` names who takes the
responsibility for the check that failed, and why, or ``experiment.override_failed_verdict_by`` who
takes it for all. Either goes into the report.

Where ``experiment.observational`` says that nobody randomised the log, the chances of its arms are
estimated first (table ``propensities``), the checks read its units weighted by them, and the report
tells what adjusting finds and what could still explain it away.

Next: jobs/build_training_set.py
"""

import logging
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.read_experiment import EXPERIMENT_UNITS
from uplift import columns
from uplift.config import Campaign, Config, Experiment, FlatLog, RawInputs
from uplift.errors import ConfigError, ExperimentError
from uplift.experiment.checks.base import WORSE_LAST
from uplift.experiment.checks.words import require_known_checks
from uplift.experiment.counts import Vector
from uplift.experiment.observational import ObservationalReport
from uplift.experiment.page import render_page
from uplift.experiment.report import ExperimentReport, check_experiment
from uplift.features.spec import feature_columns
from uplift.logs import event
from uplift.spark.contracts import number_arms
from uplift.spark.door import run_job
from uplift.spark.evidence import TimedLog, gather_evidence, known_outcomes
from uplift.spark.inputs import read_assignments, read_events, read_flat_log
from uplift.spark.propensities import study_log
from uplift.spark.tables import read_table, write_table
from uplift.spark.training_set import with_propensities
from uplift.tracking.runs import Findings, log_run
from uplift.tracking.store import open_store
from uplift.workspace import Workspace, read_document, write_document, write_text

log = logging.getLogger(__name__)

PROPENSITIES = "propensities"


def run(spark: SparkSession, config: Config) -> None:
    """Read, check, write the reports, and refuse what must be refused."""
    start = time.monotonic()
    require_known_checks(config.experiment.overrides)
    workspace = Workspace(config.workspace)
    path = workspace.table(EXPERIMENT_UNITS)
    units = read_table(spark, path, made_by="read_experiment")
    study = study_of(spark, config, units)
    reports = [judge(spark, config, units, one, study) for one in config.campaign.pooled]
    for report in reports:
        page = render_page(report, limits=config.experiment)
        write_text(workspace.page(page_name(report)), page)
        keep_run(config, workspace, report, page)
    document = report_document(reports)
    write_document(workspace.report("experiment"), document)
    doubts = [doubt for of in ("fail", "warn") for one in reports for doubt in one.complaints(of)]
    event(
        log,
        "experiment.checked",
        level=logging.WARNING if doubts else logging.INFO,
        verdict=str(document["verdict"]),
        units=sum(sum(report.n_units) for report in reports),
        doubts=doubts,
        seconds=round(time.monotonic() - start, 1),
    )
    for report in reports:
        require_not_refused(report, workspace)


def study_of(spark: SparkSession, config: Config, units: DataFrame) -> ObservationalReport | None:
    """Of a log that nobody randomised: write the chances of its arms, and what adjusting finds."""
    if not config.experiment.observational.enabled:
        return None
    study, chances = study_log(
        units,
        feature_columns(config.features),
        known_outcomes(units),
        arms=config.campaign.arms,
        how=config.experiment.observational,
        floor=config.experiment.propensity_floor,
        source=f"the log of campaign {config.campaign.id!r}",
    )
    write_table(chances, Workspace(config.workspace).table(PROPENSITIES))
    return study


def estimated_propensities(spark: SparkSession, config: Config) -> DataFrame | None:
    """The chances that this job wrote, if the log is one that nobody randomised."""
    if not config.experiment.observational.enabled:
        return None
    path = Workspace(config.workspace).table(PROPENSITIES)
    return read_table(spark, path, made_by="check_experiment")


def judge(
    spark: SparkSession,
    config: Config,
    table: DataFrame,
    experiment: Experiment,
    study: ObservationalReport | None,
) -> ExperimentReport:
    """The verdict on one experiment; it judges the very rows that would be learned from."""
    campaign, estimated = config.campaign, estimated_propensities(spark, config)
    ours = table.where(F.col(columns.EXPERIMENT_ID) == experiment.id)
    units = with_propensities(ours, campaign=campaign, estimated=estimated).persist()
    try:
        require_every_arm(units, campaign, experiment)
        assignments, timed = _log(spark, config, experiment, units)
        evidence = gather_evidence(
            units,
            assignments,
            timed,
            features=feature_columns(config.features),
            campaign=campaign,
            limits=config.experiment,
            source=f"the log of experiment {experiment.id!r}",
        )
    finally:
        units.unpersist()
    return check_experiment(
        replace(evidence, study=study),
        shares=_planned_shares(experiment, campaign.arms.names),
        limits=config.experiment,
        experiment_id=experiment.id,
    )


def require_every_arm(units: DataFrame, campaign: Campaign, experiment: Experiment) -> None:
    """Refuse an experiment of which an arm has no unit left to judge."""
    found = {row[columns.ARM] for row in units.select(columns.ARM).distinct().collect()}
    absent = [name for number, name in enumerate(campaign.arms.names) if number not in found]
    if absent:
        raise ExperimentError(
            f"experiment {experiment.id!r} has no unit left in {len(absent)} of "
            f"{len(campaign.arms.names)} arms: {', '.join(map(repr, absent))}. Where its units "
            "were in another experiment before, set `campaign.rows_per_unit` to each_experiment, "
            "or take it out of `campaign.experiments`."
        )


def report_document(reports: Sequence[ExperimentReport]) -> dict[str, object]:
    """The report ``experiment``: the worst verdict, and every experiment with its own."""
    verdict = max((report.verdict for report in reports), key=WORSE_LAST.index)
    return {
        "verdict": verdict,
        "is_refused": any(report.is_refused for report in reports),
        "experiments": [report.to_document() for report in reports],
    }


def page_name(report: ExperimentReport) -> str:
    """Of the page about one experiment."""
    return f"experiment-{report.experiment_id}"


def require_not_refused(report: ExperimentReport, workspace: Workspace) -> None:
    """Stop the walk at an experiment that failed."""
    if report.is_refused:
        failures = report.complaints("fail")
        raise ExperimentError(
            f"experiment {report.experiment_id!r} fails {len(failures)} of {len(report.checks)} "
            f"checks: {'; '.join(failures)}. See {workspace.page(page_name(report))}; to go on, "
            "name the check and yourself in `experiment.overrides`, or yourself in "
            "`experiment.override_failed_verdict_by`, and check again."
        )


def experiment_report(config: Config) -> dict[str, object]:
    """What this job found last."""
    path = Workspace(config.workspace).report("experiment")
    return read_document(path, made_by="check_experiment")


def require_sound(report: Mapping[str, object]) -> None:
    """Refuse to learn from an experiment that failed, unless somebody answers for it."""
    if report["is_refused"]:
        raise ExperimentError(
            "the experiment failed its checks and nobody answers for it, see the report "
            "`experiment` in the workspace. Mend the log, or override the check by name in "
            "`experiment.overrides` and run jobs/check_experiment again."
        )


def keep_run(config: Config, workspace: Workspace, report: ExperimentReport, page: str) -> None:
    """Log the report as a run of MLflow; where that fails, say so and go on."""
    findings = Findings(
        metrics=dict(numbers_of(report)),
        documents={"experiment.json": report.to_document()},
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


def _log(
    spark: SparkSession, config: Config, experiment: Experiment, units: DataFrame
) -> tuple[DataFrame, TimedLog | None]:
    """Every assignment, because the table keeps only the first of a unit, and the events."""
    arms = config.campaign.arms
    match config.inputs.log:
        case RawInputs() as raw:
            everywhere = read_assignments(spark, raw, config.campaign).rows
            is_ours = F.col(columns.EXPERIMENT_ID) == experiment.id
            events = read_events(spark, raw).rows
            timed = TimedLog(events, first=units, elsewhere=everywhere.where(~is_ours))
            return number_arms(everywhere.where(is_ours), arms), timed
        case FlatLog() as flat_log:
            untimed = F.lit(None).cast("timestamp")
            flat = read_flat_log(spark, flat_log, config.features.static, config.campaign)
            return number_arms(flat.rows.withColumn(columns.ASSIGNED_AT, untimed), arms), None


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
