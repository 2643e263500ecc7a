"""Runs: what was learned from what, by which code, with which numbers, kept beside the model."""

import json
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
)
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.utils import mlflow_tags

from uplift.errors import ConfigError
from uplift.learners.model import UpliftModel
from uplift.tracking.code import CodeVersion
from uplift.tracking.package import save_pyfunc
from uplift.tracking.registry import Alias, RegisteredVersion, point, register
from uplift.tracking.store import TrackingStore

Setting = str | int | float | bool | None
_NOT_IN_A_KEY = re.compile(r"[^\w\-. :]")  # what MLflow may refuse in the name of a metric
_METRICS_AT_ONCE = 1000  # what MLflow takes in one call


class Figure(Protocol):
    """A matplotlib figure, as far as a run is concerned."""

    def savefig(self, fname: str) -> object:
        """Write the picture to a file."""


@dataclass(frozen=True)
class Lesson:
    """The data a model learned from.

    Attributes:
        name: Of the table.
        digest: Its fingerprint.
        n_rows: Its number of rows.
        schema: Type of every column.
        source: Where it stands.
    """

    name: str
    digest: str
    n_rows: int
    schema: Mapping[str, str]
    source: str


@dataclass(frozen=True)
class Findings:
    """What a job found out: numbers, pictures, documents and pages, each under its own name."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    documents: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    pages: Mapping[str, str] = field(default_factory=dict)


def log_model_run(
    store: TrackingStore,
    model: UpliftModel,
    *,
    name: str,
    parameters: Mapping[str, Setting],
    lesson: Lesson,
    code: CodeVersion,
    findings: Findings,
    alias: Alias,
) -> RegisteredVersion:
    """Log one training as one run, and register its model under an alias.

    Args:
        store: Where to.
        model: What was learned.
        name: Of the run, for people.
        parameters: Settings of the learner.
        lesson: What it learned from.
        code: What trained it.
        findings: Whatever else should be kept with the run.
        alias: ``challenger`` for a model that has yet to prove itself.

    Returns:
        The new version of the registered model.
    """
    tags = {
        "data.fingerprint": lesson.digest,
        "code.package": code.package,
        "code.sources": code.sources,
        "model.version": model.version,
    }
    if code.commit is not None:
        tags[mlflow_tags.MLFLOW_GIT_COMMIT] = code.commit
    with _run(store, name, tags) as run_id:
        _log_parameters(store, run_id, parameters)
        store.client.log_inputs(run_id, datasets=[_dataset_input(lesson)])
        model_id, source = _log_model(store, run_id, model, name)
        log_findings(store, findings, run_id=run_id, model_id=model_id)
        version = register(
            store,
            source=source,
            run_id=run_id,
            model_id=model_id,
            model_version=model.version,
        )
        point(store, alias, version)
        return version


def log_run(store: TrackingStore, findings: Findings, *, name: str, tags: Mapping[str, str]) -> str:
    """Log a run that made no model, such as a check; returns its id.

    Raises:
        ConfigError: The store was open, but could not take the run.
    """
    try:
        with _run(store, name, tags) as run_id:
            log_findings(store, findings, run_id=run_id)
            return run_id
    except (MlflowException, OSError) as error:
        raise ConfigError(
            f"the MLflow store cannot take the run {name!r} with {len(findings.metrics)} numbers: "
            f"{str(error).strip().partition(chr(10))[0]}. Check `tracking.uri`."
        ) from error


def log_trial(
    store: TrackingStore,
    *,
    parent: str,
    name: str,
    parameters: Mapping[str, Setting],
    findings: Findings,
) -> str:
    """Log a candidate that was fitted on the way as a child of the run it was fitted for.

    Args:
        store: Where to.
        parent: Id of that run.
        name: Of the candidate.
        parameters: Its settings.
        findings: What was found out about it.

    Returns:
        The id of the new run.
    """
    with _run(store, name, {mlflow_tags.MLFLOW_PARENT_RUN_ID: parent}) as run_id:
        _log_parameters(store, run_id, parameters)
        log_findings(store, findings, run_id=run_id)
    return run_id


def log_findings(
    store: TrackingStore, findings: Findings, *, run_id: str, model_id: str | None = None
) -> None:
    """Add all findings to a run, the numbers to the model it made as well."""
    now = int(time.time() * 1000)
    metrics = [
        Metric(_NOT_IN_A_KEY.sub("_", key), value, now, step=0, model_id=model_id)
        for key, value in findings.metrics.items()
    ]
    for start in range(0, len(metrics), _METRICS_AT_ONCE):
        store.client.log_batch(run_id, metrics=metrics[start : start + _METRICS_AT_ONCE])
    for file_name, figure in findings.figures.items():
        store.client.log_figure(run_id, figure, f"figures/{file_name}")
    for file_name, document in findings.documents.items():
        text = json.dumps(document, indent=2, sort_keys=True, allow_nan=False)
        store.client.log_text(run_id, text, f"documents/{file_name}")
    for file_name, page in findings.pages.items():
        store.client.log_text(run_id, page, f"pages/{file_name}")


def numbers_in(document: Mapping[str, object], above: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a nested document under its dotted name; lists are left out.

    Examples:
        >>> dict(numbers_in({"rows": 7, "ate": {"low": 0.1, "high": None}, "bins": [1, 2]}))
        {'rows': 7.0, 'ate.low': 0.1}
    """
    for key, value in document.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from numbers_in(value, f"{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


@contextmanager
def _run(store: TrackingStore, name: str, tags: Mapping[str, str]) -> Iterator[str]:
    """A run that ends as finished, or as failed if the block fails."""
    run = store.client.create_run(store.experiment_id, run_name=name, tags=dict(tags))
    run_id = str(run.info.run_id)
    try:
        yield run_id
    except BaseException:
        store.client.set_terminated(run_id, "FAILED")
        raise
    store.client.set_terminated(run_id, "FINISHED")


def _log_parameters(store: TrackingStore, run_id: str, parameters: Mapping[str, Setting]) -> None:
    store.client.log_batch(
        run_id, params=[Param(key, str(value)) for key, value in parameters.items()]
    )


def _dataset_input(lesson: Lesson) -> DatasetInput:
    columns = [{"name": name, "type": kind} for name, kind in lesson.schema.items()]
    dataset = Dataset(
        name=lesson.name,
        digest=lesson.digest,
        source_type="local",
        source=json.dumps({"uri": lesson.source}),
        schema=json.dumps({"columns": columns}),
        profile=json.dumps({"num_rows": lesson.n_rows}),
    )
    return DatasetInput(dataset, [InputTag(mlflow_tags.MLFLOW_DATASET_CONTEXT, "training")])


def _log_model(store: TrackingStore, run_id: str, model: UpliftModel, name: str) -> tuple[str, str]:
    """Upload the packed model as an output of the run: its MLflow id, and where it stands."""
    logged = store.client.create_logged_model(store.experiment_id, name=name, source_run_id=run_id)
    identity = Model(
        run_id=run_id, artifact_path=logged.artifact_location, model_id=logged.model_id
    )
    with tempfile.TemporaryDirectory() as folder:
        packed = save_pyfunc(model, Path(folder), identity=identity)
        store.client.log_model_artifacts(logged.model_id, str(packed))
    store.client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    store.client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return str(logged.model_id), str(logged.artifact_location)
