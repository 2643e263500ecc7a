"""Hold tonight's features, scores and segments against training and against last night.

Reads the tables customer_features, customer_scores, decisions and training_set, the model and the
run that readers use now. Writes the report monitoring, metrics/monitoring.prom for Prometheus'
textfile collector, and a run in MLflow (a store that does not answer is a warning, not a failure).
A failed check stops the night before anything is published, unless
`monitoring.override_failed_verdict_by` names who goes on.

    python -m jobs.monitor_night --config conf/base.yaml --config conf/campaigns/coupon.yaml

Next: jobs/publish_snapshot.py
"""

import logging
import math
import sys
from collections.abc import Sequence

from pyspark.sql import SparkSession

from jobs.score_customers import campaign_model
from uplift.audience.history import snapshot_before
from uplift.config import Config, RawInputs, Tracking
from uplift.errors import ConfigError, ContractError
from uplift.logs import event
from uplift.monitoring.night import NightReport, Observed, judge_night
from uplift.monitoring.prometheus import Gauge, exposition
from uplift.spark.door import run_job
from uplift.spark.inputs import read_events
from uplift.spark.night_sums import (
    feature_drift,
    holdout_sums,
    migration_since,
    policy_effect,
    score_drift,
    training_sample,
)
from uplift.spark.publish import stamp_of
from uplift.spark.tables import read_table
from uplift.tracking.runs import Findings, log_run, numbers_in
from uplift.tracking.store import open_store
from uplift.workspace import Workspace, write_document, write_text

log = logging.getLogger(__name__)

_LEVELS = {"pass": logging.INFO, "warn": logging.WARNING, "fail": logging.ERROR}


def run(spark: SparkSession, config: Config) -> None:
    """Observe, judge, record; then stop the night if the verdict says so."""
    workspace = Workspace(config.workspace)
    report = judge_night(observe(spark, config), config.monitoring)
    document = report.to_document()
    write_document(workspace.report("monitoring"), document)
    write_text(workspace.metrics("monitoring"), metrics(report, campaign_id=config.campaign.id))
    for check in report.checks:
        if check.verdict != "pass":
            event(
                log,
                "night.doubted",
                level=_LEVELS[check.counts_as],
                check=check.name,
                verdict=check.verdict,
                finding=check.message,
                overridden_by=check.overridden_by,
            )
    track(document, config.tracking, workspace)
    event(
        log,
        "night.judged",
        level=logging.INFO if report.verdict == "pass" else logging.WARNING,
        verdict=report.verdict,
        checks=len(report.checks),
        least_stable=max(report.stability, key=report.stability.__getitem__),
        psi=max(report.stability.values()),
    )
    require_pass(report)


def observe(spark: SparkSession, config: Config) -> Observed:
    """All that the night is judged by."""
    workspace, limits = Workspace(config.workspace), config.monitoring
    model = campaign_model(config)
    features, scores, decisions, training_set = (
        read_table(spark, workspace.table(name), made_by=job)
        for name, job in (
            ("customer_features", "build_customer_features"),
            ("customer_scores", "score_customers"),
            ("decisions", "assign_coupons"),
            ("training_set", "build_training_set"),
        )
    )
    sample = training_sample(training_set, model, max_rows=limits.max_training_rows)
    as_of, _ = stamp_of(scores)
    before = snapshot_before(workspace.published, as_of)
    held_out, others = holdout_sums(scores, decisions)
    effect = None
    if isinstance(config.inputs.log, RawInputs):
        effect = policy_effect(
            scores,
            decisions,
            read_events(spark, config.inputs.log).rows,
            event_type=config.campaign.outcome_event,
            as_of=as_of,
            window_days=config.campaign.outcome_window_days,
        )
    return Observed(
        features=feature_drift(features, model, sample, bins=limits.bins),
        scores=score_drift(scores, model, sample, bins=limits.bins),
        migration=None if before is None else migration_since(spark, scores, before.scores),
        holdout=held_out,
        others=others,
        effect=effect,
    )


def require_pass(report: NightReport) -> None:
    """Raise if a check failed and nobody answers for it.

    Raises:
        ContractError: With every failure.
    """
    failed = [check for check in report.checks if check.counts_as == "fail"]
    if failed:
        raise ContractError(
            f"tonight fails {len(failed)} of {len(report.checks)} checks: "
            f"{'; '.join(check.message for check in failed)}. Nothing was published, readers keep "
            "the last run. Mend the inputs, train again, or name who answers for it in "
            "`monitoring.override_failed_verdict_by`."
        )


def metrics(report: NightReport, *, campaign_id: str) -> str:
    """The findings as gauges."""
    campaign = {"campaign": campaign_id}
    verdicts = {"pass": 0.0, "warn": 1.0, "fail": 2.0}
    return exposition(
        [
            Gauge(
                "uplift_stability_index",
                "Population stability index against the training rows.",
                [({**campaign, "column": name}, v) for name, v in report.stability.items()],
            ),
            Gauge(
                "uplift_missing_ratio",
                "Share of customers without a value of the feature.",
                [({**campaign, "column": name}, v) for name, v in report.missing.items()],
            ),
            Gauge(
                "uplift_check_value",
                "What a check of the night found.",
                [({**campaign, "check": check.name}, check.value) for check in report.checks],
            ),
            Gauge(
                "uplift_check_verdict",
                "0 pass, 1 doubt, 2 refused.",
                [
                    ({**campaign, "check": check.name}, verdicts[check.counts_as])
                    for check in report.checks
                ],
            ),
            Gauge(
                "uplift_holdout_mean_score",
                "Mean chance to convert without coupon, of the holdout and of all others.",
                [
                    ({**campaign, "group": group}, mean)
                    for group, mean in (
                        ("holdout", report.holdout_mean),
                        ("others", report.others_mean),
                    )
                    if mean is not None
                ],
            ),
            Gauge(
                "uplift_policy_effect_ratio",
                "Conversions per customer that targeting added in the outcome window.",
                []
                if report.effect is None or math.isnan(report.effect.estimate)
                else [(campaign, report.effect.estimate)],
            ),
        ]
    )


def track(document: dict[str, object], tracking: Tracking, workspace: Workspace) -> None:
    """Keep the numbers as a run in MLflow; the night goes on where there is none."""
    measured = {
        part: document[part] or {} for part in ("stability", "missing", "holdout", "policy_effect")
    }
    numbers = dict(numbers_in(measured))
    findings = Findings(metrics=numbers, documents={"monitoring.json": document})
    try:
        store = open_store(tracking, workspace)
        log_run(store, findings, name="night", tags={"verdict": str(document["verdict"])})
    except ConfigError as error:
        event(log, "run.not_logged", level=logging.WARNING, reason=str(error))


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
