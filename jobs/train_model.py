"""Learn from the training set whom a coupon moves, and enter the model as the challenger.

Reads the table ``training_set`` and the report ``experiment``. Every candidate of
``training.candidates`` is fitted on all folds of the training rows but one and ranks that one, and
so on round; the best by AUTOC, or a simpler one that is as good, is fitted on all of them. Writes
the report ``training``, and to MLflow a run with that model, registered as ``challenger``, with a
child run for every candidate and one for the response model that is there to be beaten. For the
gate it tests the candidates on parts of the rows that they had not seen, and leaves in the
workspace's folder ``companions`` the response model and two refits of the challenger on halves of
the rows. An experiment that failed its checks is refused, unless
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
from uplift.errors import ExperimentError, OverlapError
from uplift.experiment.split import TRAIN
from uplift.features.spec import feature_columns
from uplift.learners.boosting import LocalTrainer
from uplift.learners.companions import COMPANIONS, save_companion
from uplift.learners.families import RESPONSE
from uplift.learners.fit import Plan, fit_model
from uplift.learners.model import UpliftModel
from uplift.logs import event
from uplift.selection.plans import plans_of
from uplift.selection.refits import SequentialTests, halves, sequential_tests
from uplift.selection.trial import Trial, chosen, hold_trial
from uplift.spark.door import run_job
from uplift.spark.fingerprint import Fingerprint, fingerprint
from uplift.spark.tables import read_table
from uplift.spark.training_rows import TrainingRows, training_rows
from uplift.tracking.code import code_version
from uplift.tracking.registry import CHALLENGER, Alias, RegisteredVersion
from uplift.tracking.runs import Findings, Lesson, Setting, log_model_run, log_trial, numbers_in
from uplift.tracking.store import TrackingStore, open_store
from uplift.workspace import Workspace, write_document

log = logging.getLogger(__name__)

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
    trials = compare(rows, config)
    best = chosen(trials)
    model = fit(rows, best.name, best.plan, config, digest=found.digest)
    version = enter(store, model, rows, found, config, alias=CHALLENGER, trial=best)
    for trial in trials:
        log_trial(
            store,
            parent=version.run_id,
            name=trial.name,
            parameters=plan_settings(trial.plan),
            findings=Findings(metrics=numbers_of(trial)),
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
    write_document(
        workspace.report("training"), training_report(trials, best, model, tested, config)
    )
    event(
        log,
        "model.trained",
        candidate=best.name,
        learner=best.plan.learner,
        model_version=model.version,
        registered_version=version.number,
        rows=len(rows.arm),
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
    """The training split, on the driver."""
    return training_rows(
        training_set.where(F.col(columns.SPLIT) == TRAIN),
        feature_columns(config.features),
        outcomes_of(config),
        max_rows=config.training.max_rows,
        salt=config.training.salt,
        source=str(Workspace(config.workspace).table(TRAINING_SET)),
    )


def compare(rows: TrainingRows, config: Config) -> list[Trial]:
    """Try every candidate, in the order of the config, and the response model.

    They are judged by the outcome that pays. A candidate whose method is not valid for this log's
    propensities steps aside with a warning; if none is left, that is the error.
    """
    outcome = config.campaign.value.basis
    data = rows.data(outcome)
    plans = plans_of(config.training, config.campaign, LocalTrainer())
    trials: list[Trial] = []
    refusals = []
    for name, plan in plans.items():
        start = time.monotonic()
        try:
            trial = hold_trial(
                name,
                plan,
                data,
                outcome,
                len(config.campaign.arms.names),
                categorical=rows.encoder.categorical_indices,
                n_folds=config.training.folds,
                salt=f"{config.training.salt}:validation",
                how=config.evaluation,
            )
        except OverlapError as refusal:
            event(log, "candidate.refused", level=logging.WARNING, candidate=name, why=str(refusal))
            refusals.append(refusal)
            continue
        trials.append(trial)
        event(
            log,
            "candidate.tried",
            candidate=name,
            autoc=trial.autoc.estimate,
            autoc_standard_error=trial.autoc.standard_error,
            seconds=round(time.monotonic() - start, 1),
        )
    if len(refusals) == len(config.training.candidates):
        raise refusals[0]
    return trials


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


def training_report(
    trials: Sequence[Trial],
    best: Trial,
    model: UpliftModel,
    tested: SequentialTests,
    config: Config,
) -> dict[str, object]:
    """The report ``training``: who was tried, how well each ranked, and who was chosen."""
    return {
        "chosen": best.name,
        columns.MODEL_VERSION: model.version,
        "sequential": {
            "picked": list(tested.picked),
            "tests": {
                name: [part[number].to_document() for part in tested.tests]
                for number, name in enumerate(config.campaign.arms.treatments)
            },
        },
        "outcome": config.campaign.value.basis,
        "folds": config.training.folds,
        "trials": {
            trial.name: {
                "learner": trial.plan.learner,
                "is_baseline": trial.plan.learner == RESPONSE,
                "autoc": trial.autoc.to_document(),
            }
            for trial in trials
        },
    }


def enter(
    store: TrackingStore,
    model: UpliftModel,
    rows: TrainingRows,
    found: Fingerprint,
    config: Config,
    *,
    alias: Alias,
    trial: Trial | None = None,
) -> RegisteredVersion:
    """Log the training as a run, and register its model; ``trial``: what spoke for it."""
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
                "training.rows": float(len(rows.arm)),
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
        **config.training.model_dump(exclude={"booster", "candidates", "rounds"}),
        "candidates": ", ".join(candidate.name for candidate in config.training.candidates),
        "outcomes": ", ".join(outcomes_of(config)),
        "override_failed_verdict_by": config.experiment.override_failed_verdict_by,
    }


def plan_settings(plan: Plan) -> dict[str, Setting]:
    """A plan, flat."""
    options = {name: str(value) for name, value in asdict(plan.options).items()}
    booster = {f"booster.{name}": value for name, value in plan.parameters.items()}
    return {"learner": plan.learner, "rounds": plan.rounds, **options, **booster}


def numbers_of(trial: Trial) -> dict[str, float]:
    """AUTOC on held-out folds of the training rows, with its interval."""
    return dict(numbers_in(trial.autoc.to_document(), "validation.autoc."))


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
