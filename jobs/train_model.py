"""Learn from the training set whom a coupon moves, and enter the model as the challenger.

Reads the table ``training_set`` and the report ``experiment``; writes a run with the model to
MLflow, and registers it as ``challenger``. An experiment that failed its checks is refused, unless
``experiment.override_failed_verdict_by`` names who answers for it.

    spark-submit jobs/train_model.py --config conf/base.yaml --config FILE

Next: jobs/evaluate_model.py
"""

import logging
import sys
import time
from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.build_training_set import TRAINING_SET
from jobs.check_experiment import experiment_report, require_sound
from uplift import columns
from uplift.config import Config
from uplift.experiment.split import TRAIN
from uplift.features.spec import feature_columns
from uplift.learners.boosting import LocalTrainer
from uplift.learners.fit import fit_model
from uplift.learners.model import UpliftModel
from uplift.logs import event
from uplift.spark.door import run_job
from uplift.spark.fingerprint import Fingerprint, fingerprint
from uplift.spark.tables import read_table
from uplift.spark.training_rows import TrainingRows, training_rows
from uplift.tracking.code import code_version
from uplift.tracking.registry import CHALLENGER, Alias, RegisteredVersion
from uplift.tracking.runs import Findings, Lesson, Setting, log_model_run
from uplift.tracking.store import TrackingStore, open_store
from uplift.workspace import Workspace

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
    model = fit(rows, config, digest=found.digest)
    version = enter(store, model, rows, found, config, alias=CHALLENGER)
    event(
        log,
        "model.trained",
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


def fit(rows: TrainingRows, config: Config, *, digest: str) -> UpliftModel:
    """Fit the learner of the config; ``digest`` names the data in the model's metadata."""
    return fit_model(
        rows.features,
        rows.arm,
        rows.propensity,
        rows.outcomes,
        arms=config.campaign.arms,
        encoder=rows.encoder,
        trainer=LocalTrainer(),
        parameters=config.training.booster,
        rounds=config.training.rounds,
        seed=config.training.seed,
        metadata={"learner": config.training.learner, TRAINING_SET: digest},
    )


def enter(
    store: TrackingStore,
    model: UpliftModel,
    rows: TrainingRows,
    found: Fingerprint,
    config: Config,
    *,
    alias: Alias,
) -> RegisteredVersion:
    """Log the training as a run, and register its model."""
    source = Workspace(config.workspace).table(TRAINING_SET)
    return log_model_run(
        store,
        model,
        name=model.metadata["learner"],
        parameters=settings(config),
        lesson=Lesson(TRAINING_SET, found.digest, found.n_rows, found.schema, str(source)),
        code=code_version(),
        findings=Findings(
            metrics={
                "training.rows": float(len(rows.arm)),
                "training.rows_available": float(rows.n_available),
            },
            documents={
                "config.json": config.model_dump(mode="json", exclude=SECRET),
                "experiment.json": experiment_report(config),
            },
        ),
        alias=alias,
    )


def settings(config: Config) -> dict[str, Setting]:
    """The section ``training``, flat, and what the campaign says about outcomes."""
    training = config.training.model_dump(exclude={"booster"})
    booster = {f"booster.{name}": value for name, value in config.training.booster.items()}
    return {
        **training,
        **booster,
        "outcomes": ", ".join(outcomes_of(config)),
        "override_failed_verdict_by": config.experiment.override_failed_verdict_by,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
