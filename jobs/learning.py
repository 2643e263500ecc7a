"""How the challenger comes about, step by step: who competes, who is fitted, on which rows."""

import logging
from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.build_training_set import TRAINING_SET
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
from uplift.selection.refits import halves
from uplift.selection.search import plans_with, search
from uplift.selection.trial import Trial
from uplift.selection.tuning import TuningTrial
from uplift.spark.distributed_fit import fit_on_spark
from uplift.spark.forest_model import forest_model, grows_on_spark
from uplift.spark.training_rows import TrainingRows, training_rows
from uplift.workspace import Workspace

log = logging.getLogger(__name__)


def outcomes_of(config: Config) -> list[str]:
    """What is modelled: conversion always, revenue where effects on it earn money."""
    if config.campaign.value.basis == "revenue":
        return [columns.CONVERSION, columns.REVENUE]
    return [columns.CONVERSION]


def rows_to_learn_from(training_set: DataFrame, config: Config) -> TrainingRows:
    """The training split, on the driver: all of it, or a sample."""
    return training_rows(
        training_part(training_set),
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


def fit_chosen(
    training_set: DataFrame, rows: TrainingRows, best: Trial, config: Config, *, digest: str
) -> tuple[UpliftModel, int]:
    """Fit the chosen candidate on all rows, where they lie if the config says so.

    Returns:
        The model, and how many rows it has learned from.
    """
    plan, training, arms = best.plan, config.training, config.campaign.arms
    frame, outcomes = training_part(training_set), outcomes_of(config)
    metadata = metadata_of(best.name, plan, digest)
    if grows_on_spark(plan):
        model = forest_model(
            frame, outcomes, arms=arms, encoder=rows.encoder, plan=plan, metadata=metadata
        )
        return model, rows.n_available
    if training.trainer == "spark" and plan.is_of_boosters:
        done = fit_on_spark(
            frame,
            feature_columns(config.features),
            outcomes,
            arms=arms,
            plan=plan,
            workers=training.workers,
            peer_timeout_s=training.peer_timeout_s,
            salt=training.salt,
            source=str(Workspace(config.workspace).table(TRAINING_SET)),
            metadata=metadata,
        )
        event(log, "model.fitted_on_spark", rows=done.n_rows, workers=done.n_workers)
        return done.model, done.n_rows
    if training.trainer == "spark":
        event(log, "training.sampled", level=logging.WARNING, learner=plan.learner)
    return fit(rows, best.name, plan, config, digest=digest), len(rows.arm)


def fit(
    rows: TrainingRows, candidate: str, plan: Plan, config: Config, *, digest: str
) -> UpliftModel:
    """Fit a candidate on rows at hand."""
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
        metadata=metadata_of(candidate, plan, digest),
    )


def metadata_of(candidate: str, plan: Plan, digest: str) -> dict[str, str]:
    """What travels with a model; ``digest`` names its data."""
    return {"candidate": candidate, "learner": plan.learner, TRAINING_SET: digest}


def training_part(training_set: DataFrame) -> DataFrame:
    """The rows that may be learned from."""
    return training_set.where(F.col(columns.SPLIT) == TRAIN)
