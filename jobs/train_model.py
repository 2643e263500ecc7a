"""Learn from the training set whom a coupon moves, and enter the model as the challenger.

Reads the table ``training_set`` and the report ``experiment``. Every candidate of
``training.candidates`` is fitted on all folds of the training rows but one and ranks that one, and
so on round; the best by AUTOC, or a simpler one that is as good, is fitted on all of them. With
``training.tuning`` what a search finds is a candidate too, and its trials are child runs. Writes
the reports ``training`` and ``model_card``, and to MLflow a run with that model, registered as
``challenger``, with a child run for every candidate and one for the response model that is there to
be beaten. For the gate it tests the candidates on parts of the rows that they had not seen, and
leaves in the workspace's folder ``companions`` the response model and two refits of the challenger
on halves of the rows. An experiment that failed its checks is refused, unless
``experiment.override_failed_verdict_by`` names who answers for it.

    spark-submit jobs/train_model.py --config conf/base.yaml --config FILE

Next: jobs/evaluate_model.py
"""

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.build_training_set import TRAINING_SET
from jobs.check_experiment import experiment_report, require_sound
from uplift import columns
from uplift.config import Config
from uplift.errors import ExperimentError
from uplift.experiment.split import TRAIN
from uplift.features.spec import feature_columns
from uplift.learners.boosting import LocalTrainer
from uplift.learners.companions import COMPANIONS, save_companion
from uplift.learners.families import RESPONSE
from uplift.learners.fit import Plan, fit_model
from uplift.learners.model import UpliftModel
from uplift.logs import event
from uplift.selection.competition import compete
from uplift.selection.plans import plan_settings
from uplift.selection.refits import halves, sequential_tests
from uplift.selection.report import training_report
from uplift.selection.search import plans_with, search
from uplift.selection.trial import Trial, chosen
from uplift.selection.tuning import TuningTrial
from uplift.spark.door import run_job
from uplift.spark.fingerprint import Fingerprint, fingerprint
from uplift.spark.tables import read_table
from uplift.spark.training_rows import TrainingRows, training_rows
from uplift.tracking.card import Origin, card_markdown, model_card
from uplift.tracking.code import code_version
from uplift.tracking.registry import CHALLENGER, Alias, RegisteredVersion
from uplift.tracking.runs import (
    Findings,
    Lesson,
    Setting,
    log_findings,
    log_model_run,
    log_trial,
    numbers_in,
)
from uplift.tracking.store import TrackingStore, open_store
from uplift.workspace import Workspace, write_document

log = logging.getLogger(__name__)

Document = dict[str, object]

# Kept out of the tracking store: where secrets may stand.
SECRET = {"tracking": {"uri"}, "spark": {"settings"}}


def run(spark: SparkSession, config: Config) -> None:
    """Read, fit, register."""
    start = time.monotonic()
    workspace = Workspace(config.workspace)
    require_sound(experiment_report(config))
    table = read_table(spark, workspace.table(TRAINING_SET), made_by="build_training_set")
    store = open_store(config.tracking, workspace)
    found = fingerprint(table)
    rows = rows_to_learn_from(table, config)
    searched = tune_on(rows, config, digest=found.digest)
    trials = compare(rows, config, searched)
    best = chosen(trials)
    if config.training.trainer == "spark" and can_be_distributed(best.plan):
        model, n_rows = fit_distributed(table, best.name, best.plan, config, digest=found.digest)
    else:
        model = fit(rows, best.name, best.plan, config, digest=found.digest)
        n_rows = len(rows.arm)
    version = enter(store, model, rows, n_rows, found, config, alias=CHALLENGER, trial=best)
    for trial in trials:
        log_trial(
            store,
            parent=version.run_id,
            name=trial.name,
            parameters=plan_settings(trial.plan),
            findings=Findings(metrics=numbers_of(trial)),
        )
    for attempt in searched:
        log_trial(
            store,
            parent=version.run_id,
            name=f"tuning-{attempt.number}",
            parameters=attempt.flat(),
            findings=Findings(metrics=attempt.named_metrics()),
        )
    save_companions(rows, trials, best, model, config)
    tested = sequential_tests(
        {trial.name: trial.plan for trial in trials if trial.plan.learner != RESPONSE},
        rows.data(columns.CONVERSION),
        columns.CONVERSION,
        len(config.campaign.arms.names),
        categorical=rows.encoder.categorical_indices,
        n_folds=config.evaluation.gate.sequential_folds,
        salt=f"{config.training.salt}:parts",
        how=config.evaluation,
    )
    report = training_report(
        trials,
        best,
        tested,
        arms=config.campaign.arms,
        model_version=model.version,
        outcome=config.campaign.value.basis,
        folds=config.training.folds,
    )
    card = card_of(model, rows, best, config)
    report["tuning"] = [asdict(attempt) for attempt in searched]
    write_document(workspace.report("training"), report)
    write_document(workspace.report("model_card"), card)
    findings = Findings(documents={"model_card.json": card}, pages={"card.md": card_markdown(card)})
    log_findings(store, findings, run_id=version.run_id)
    event(
        log,
        "model.trained",
        candidate=best.name,
        learner=best.plan.learner,
        model_version=model.version,
        registered_version=version.number,
        rows=n_rows,
        rows_available=rows.n_available,
        features=rows.encoder.n_features,
        outcomes=list(model.outcomes),
        seconds=round(time.monotonic() - start, 1),
    )


def outcomes_of(config: Config) -> list[str]:
    """What is modelled: conversion always, revenue where effects on it earn money."""
    if config.campaign.value.basis == "revenue":
        return [columns.CONVERSION, columns.REVENUE]
    return [columns.CONVERSION]


def rows_to_learn_from(training_set: DataFrame, config: Config) -> TrainingRows:
    """The training split, on the driver: all of it, or a sample."""
    return training_rows(
        training_set.where(F.col(columns.SPLIT) == TRAIN),
        feature_columns(config.features),
        outcomes_of(config),
        max_rows=config.training.max_rows,
        salt=config.training.salt,
        source=str(Workspace(config.workspace).table(TRAINING_SET)),
    )


def tune_on(rows: TrainingRows, config: Config, *, digest: str) -> list[TuningTrial]:
    """What ``training.tuning`` tried; none where it is null."""
    return search(
        rows.data(config.campaign.value.basis),
        config.campaign.value.basis,
        config.training,
        config.campaign,
        LocalTrainer(),
        categorical=rows.encoder.categorical_indices,
        how=config.evaluation,
        digest=digest,
        journal=Workspace(config.workspace).search("learners"),
        tried=_tell,
    )


def _tell(trial: TuningTrial) -> None:
    autoc = trial.metrics[-1] if trial.metrics else None
    event(log, "tuning.tried", number=trial.number, state=trial.state, autoc=autoc)


def compare(
    rows: TrainingRows, config: Config, searched: Sequence[TuningTrial] = ()
) -> list[Trial]:
    """Try every candidate, in the order of the config, what a search found, the response model.

    They are judged by the outcome that pays.
    """
    outcome = config.campaign.value.basis
    return compete(
        plans_with(searched, config.training, config.campaign, LocalTrainer()),
        rows.data(outcome),
        outcome,
        len(config.campaign.arms.names),
        categorical=rows.encoder.categorical_indices,
        n_folds=config.training.folds,
        salt=f"{config.training.salt}:validation",
        how=config.evaluation,
    )


def save_companions(
    rows: TrainingRows, trials: Sequence[Trial], best: Trial, model: UpliftModel, config: Config
) -> None:
    """Fit the response model and two halves of the challenger, and put them into the workspace."""
    parts = halves(rows.data(columns.CONVERSION), salt=f"{config.training.salt}:halves")
    wanted = [(trial.plan, rows) for trial in trials if trial.plan.learner == RESPONSE]
    wanted += [(best.plan, rows.where(part)) for part in parts]
    for name, (plan, part) in zip(COMPANIONS, wanted, strict=True):
        try:
            companion = fit(part, name, plan, config, digest=model.metadata[TRAINING_SET])
        except ExperimentError as error:
            event(log, "companion.lacking", level=logging.WARNING, companion=name, why=str(error))
            continue
        save_companion(Workspace(config.workspace), name, companion, challenger=model)


def fit(
    rows: TrainingRows, candidate: str, plan: Plan, config: Config, *, digest: str
) -> UpliftModel:
    """Fit a candidate on all training rows; ``digest`` names the data in the model's metadata."""
    return fit_model(
        rows.features,
        rows.arm,
        rows.propensity,
        rows.outcomes,
        arms=config.campaign.arms,
        encoder=rows.encoder,
        plan=plan,
        cluster=rows.cluster,
        propensities=rows.propensities,
        metadata={"candidate": candidate, "learner": plan.learner, TRAINING_SET: digest},
    )


def card_of(model: UpliftModel, rows: TrainingRows, trial: Trial, config: Config) -> Document:
    """The model card, as far as training knows it."""
    origin = Origin(
        table=TRAINING_SET,
        digest=model.metadata[TRAINING_SET],
        n_rows=len(rows.arm),
        experiment_verdict=str(experiment_report(config)["verdict"]),
        overridden_by=config.experiment.override_failed_verdict_by,
    )
    return model_card(model, rows.features, origin=origin, validation=numbers_of(trial))


def enter(
    store: TrackingStore,
    model: UpliftModel,
    rows: TrainingRows,
    n_rows: int,
    found: Fingerprint,
    config: Config,
    *,
    alias: Alias,
    trial: Trial | None = None,
) -> RegisteredVersion:
    """Log the training on ``n_rows`` as a run, and register its model; ``trial`` spoke for it."""
    source = Workspace(config.workspace).table(TRAINING_SET)
    return log_model_run(
        store,
        model,
        name=trial.name if trial else model.metadata["learner"],
        parameters={**settings(config), **(plan_settings(trial.plan) if trial else {})},
        lesson=Lesson(TRAINING_SET, found.digest, found.n_rows, found.schema, str(source)),
        code=code_version(),
        findings=Findings(
            metrics={
                "training.rows": float(n_rows),
                "training.rows_available": float(rows.n_available),
                **(numbers_of(trial) if trial else {}),
            },
            documents={
                "config.json": config.model_dump(mode="json", exclude=SECRET),
                "experiment.json": experiment_report(config),
            },
        ),
        alias=alias,
    )


def settings(config: Config) -> dict[str, Setting]:
    """The section ``training`` but for its candidates, and what the campaign says of outcomes."""
    return {
        **config.training.model_dump(exclude={"booster", "candidates", "rounds", "tuning"}),
        "candidates": ", ".join(candidate.name for candidate in config.training.candidates),
        "outcomes": ", ".join(outcomes_of(config)),
        "override_failed_verdict_by": config.experiment.override_failed_verdict_by,
    }


def numbers_of(trial: Trial) -> dict[str, float]:
    """AUTOC on held-out folds of the training rows, with its interval."""
    return dict(numbers_in(trial.autoc.to_document(), "validation.autoc."))


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
