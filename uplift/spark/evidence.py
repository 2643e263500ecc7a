"""All that an experiment is judged by, gathered from its tables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.config import Campaign, ExperimentChecks
from uplift.experiment.report import Evidence
from uplift.experiment.two_sample import TwoSampleTest, permutations_for, two_sample_tests
from uplift.features.spec import FeatureColumn
from uplift.spark.aggregates import arm_counts, draws
from uplift.spark.experiment_sums import (
    cluster_sums,
    contamination,
    event_counts,
    propensity_sums,
    sums_before,
)
from uplift.spark.training_rows import training_rows

_SALT = "two-sample"
_SEED = 1


@dataclass(frozen=True)
class TimedLog:
    """What only a log with times can show.

    Attributes:
        events: What happened, of all types.
        first: The first assignment of every unit in this experiment: ``unit_id``, ``arm``,
            ``assigned_at``, ``cluster_id``, ``propensity`` (never null).
        elsewhere: Assignments of other experiments.
    """

    events: DataFrame
    first: DataFrame
    elsewhere: DataFrame


def gather_evidence(
    units: DataFrame,
    assignments: DataFrame,
    log: TimedLog | None,
    *,
    features: Sequence[FeatureColumn],
    campaign: Campaign,
    limits: ExperimentChecks,
    source: str,
) -> Evidence:
    """The sums behind every check, some fifteen Spark jobs; only sums and one sample come back.

    Args:
        units: The very rows that would be learned from, with the columns of ``training_set``; read
            about ten times, so persist it.
        assignments: Every one of this experiment, arms by number, repeats too.
        log: Of a log with times.
        features: To compare the arms by.
        campaign: Names the arms, the outcome event and its window.
        limits: How many rows the two-sample test may take, and when an event is late.
        source: How the reader knows the units.
    """
    n_arms, window_days = len(campaign.arms.names), campaign.outcome_window_days
    numeric = [feature.name for feature in features if feature.kind == "numeric"]
    categorical = [feature.name for feature in features if feature.kind == "categorical"]
    outcomes = known_outcomes(units)
    events = None if log is None else event_counts(log.events, late_days=limits.late_event_days)
    evidence = Evidence(
        arms=campaign.arms,
        covariates=arm_counts(units, numeric, categorical, n_arms=n_arms),
        draws=draws(
            assignments,
            n_arms=n_arms,
            last_event_us=None if events is None else events.last_us,
            window_days=window_days,
        ),
        two_sample=_two_sample(units, features, n_arms, limits, source),
        propensities=propensity_sums(units, n_arms=n_arms),
        outcomes=arm_counts(units, outcomes, n_arms=n_arms),
        effects=cluster_sums(units, outcomes, n_arms=n_arms),
        events=events,
    )
    return evidence if log is None else _with_times(evidence, log, campaign)


def _with_times(evidence: Evidence, log: TimedLog, campaign: Campaign) -> Evidence:
    n_arms, window_days = len(campaign.arms.names), campaign.outcome_window_days
    first = log.first.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        return replace(
            evidence,
            contamination=contamination(
                first, log.elsewhere, n_arms=n_arms, window_days=window_days
            ),
            before=sums_before(
                first,
                log.events,
                event_type=campaign.outcome_event,
                window_days=window_days,
                n_arms=n_arms,
            ),
        )
    finally:
        first.unpersist()


def known_outcomes(units: DataFrame) -> list[str]:
    """Conversion, and revenue where it is known."""
    has_revenue = not units.where(F.col(columns.REVENUE).isNotNull()).isEmpty()
    return [columns.CONVERSION, columns.REVENUE] if has_revenue else [columns.CONVERSION]


def _two_sample(
    units: DataFrame,
    features: Sequence[FeatureColumn],
    n_arms: int,
    limits: ExperimentChecks,
    source: str,
) -> tuple[TwoSampleTest, ...]:
    rows = training_rows(
        units, features, (), max_rows=limits.two_sample_max_rows, salt=_SALT, source=source
    )
    return two_sample_tests(
        rows.features,
        rows.arm,
        rows.cluster.tolist(),
        names=rows.encoder.names,
        categorical=rows.encoder.categorical_indices,
        n_arms=n_arms,
        n_permutations=permutations_for(limits.two_sample_p_value_fail, n_arms - 1),
        explain_below=limits.two_sample_p_value_warn,
        salt=_SALT,
        seed=_SEED,
    )
