"""Learn from the training set whom a coupon moves, and enter the model as the challenger.

Reads the table ``training_set`` and the report ``experiment``. Every candidate of
``training.candidates`` is fitted on all folds of the training rows but one and ranks that one, and
so on round; the best by AUTOC, or a simpler one that is as good, is fitted on all of them. With
``training.tuning`` what a search finds is a candidate too, and its trials are child runs. With
``training.trainer: spark`` that last fit takes all rows, wherever they are, while comparing makes
do with the ``training.max_rows`` that one machine holds: it fits each candidate several times, and
who ranks best shows in fewer rows than it takes to rank as well as possible. Writes
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

from pyspark.sql import SparkSession

from jobs.build_training_set import TRAINING_SET
from jobs.check_experiment import experiment_report, require_sound
from jobs.learning import (
    compare,
    fit_chosen,
    outcomes_of,
    rows_to_learn_from,
    save_companions,
    tune_on,
)
from uplift import columns
from uplift.config import Config
from uplift.learners.families import RESPONSE
from uplift.learners.model import UpliftModel
from uplift.logs import event
from uplift.selection.plans import plan_settings
from uplift.selection.refits import sequential_tests
from uplift.selection.report import training_report
from uplift.selection.trial import Trial, chosen
from uplift.spark.door import run_job
from uplift.spark.fingerprint import Fingerprint, fingerprint
from uplift.spark.tables import read_table
from uplift.spark.training_rows import TrainingRows
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
    model, n_rows = fit_chosen(table, rows, best, config, digest=found.digest)
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
