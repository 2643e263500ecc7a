"""Registered models: the challenger asks, the champion serves."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import mlflow.artifacts
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from uplift.errors import ModelNotReadyError, VersionMismatchError
from uplift.learners.model import UpliftModel, load_model
from uplift.tracking.package import BUNDLE_PATH
from uplift.tracking.store import TrackingStore

Alias = Literal["champion", "challenger"]
CHAMPION: Alias = "champion"
CHALLENGER: Alias = "challenger"

MODEL_VERSION_TAG = "model_version"
MODEL_ID_TAG = "model_id"
_MISSING = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of the registered model.

    Attributes:
        number: MLflow's count, 1, 2, ...
        model_version: The content's own version, ``UpliftModel.version``.
        run_id: The run that made it.
        model_id: The logged model it is made of.
    """

    number: int
    model_version: str
    run_id: str
    model_id: str


def register(
    store: TrackingStore, *, source: str, run_id: str, model_id: str, model_version: str
) -> RegisteredVersion:
    """Add a logged model to the registry as its next version."""
    name = store.registered_model
    if _registered_model(store) is None:
        store.client.create_registered_model(name)
    version = store.client.create_model_version(
        name,
        source,
        run_id,
        tags={MODEL_VERSION_TAG: model_version, MODEL_ID_TAG: model_id},
        model_id=model_id,
    )
    return _described(version)


def point(store: TrackingStore, alias: Alias, version: RegisteredVersion) -> None:
    """Let the alias name this version; whoever it named before stays registered."""
    store.client.set_registered_model_alias(store.registered_model, alias, str(version.number))


def promote(store: TrackingStore, version: RegisteredVersion) -> None:
    """Make this version the champion."""
    point(store, CHAMPION, version)


def version_at(store: TrackingStore, alias: Alias) -> RegisteredVersion | None:
    """The version that the alias points to, null if it points nowhere yet."""
    registered = _registered_model(store)
    if registered is None or alias not in registered.aliases:
        return None
    number = registered.aliases[alias]
    return _described(store.client.get_model_version(store.registered_model, number))


def require_version_at(store: TrackingStore, alias: Alias) -> RegisteredVersion:
    """The version that the alias points to; none is an error that names the job to run."""
    version = version_at(store, alias)
    if version is None:
        job = "train_model" if alias == CHALLENGER else "evaluate_model"
        raise ModelNotReadyError(
            f"the registered model {store.registered_model!r} has no {alias}. Run jobs/{job} first."
        )
    return version


def fetch_model(store: TrackingStore, version: RegisteredVersion) -> UpliftModel:
    """Download the bundle of a version and load it.

    Raises:
        VersionMismatchError: The content is not what was registered.
    """
    name, number = store.registered_model, str(version.number)
    source = store.client.get_model_version_download_uri(name, number)
    with tempfile.TemporaryDirectory() as folder:
        bundle = mlflow.artifacts.download_artifacts(
            artifact_uri=f"{source}/{BUNDLE_PATH}",
            dst_path=folder,
            tracking_uri=store.uri,
            registry_uri=store.uri,
        )
        model = load_model(Path(bundle))
    if model.version != version.model_version:
        raise VersionMismatchError(
            f"version {number} of {name!r} was registered with content {version.model_version}, "
            f"its bundle holds {model.version}. Train again with jobs/train_model."
        )
    return model


def _registered_model(store: TrackingStore) -> RegisteredModel | None:
    try:
        return store.client.get_registered_model(store.registered_model)
    except MlflowException as error:
        if error.error_code == _MISSING:
            return None
        raise


def _described(version: ModelVersion) -> RegisteredVersion:
    return RegisteredVersion(
        number=int(version.version),
        model_version=version.tags[MODEL_VERSION_TAG],
        run_id=str(version.run_id),
        model_id=version.tags[MODEL_ID_TAG],
    )
