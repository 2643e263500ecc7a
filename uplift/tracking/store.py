"""Which MLflow store a campaign uses, and whether it answers."""

import urllib.error
import urllib.request
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from uplift.config import Tracking
from uplift.errors import ConfigError
from uplift.workspace import Workspace

PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class TrackingStore:
    """An open MLflow store: where runs go, and the name under which models are registered."""

    client: MlflowClient
    uri: str
    experiment_id: str
    registered_model: str


def open_store(tracking: Tracking, workspace: Workspace) -> TrackingStore:
    """Connect to the tracking server of the config, or to the SQLite store of the workspace.

    The embedded store keeps its database and its artifacts inside the workspace. A server decides
    itself where artifacts go.

    Raises:
        ConfigError: The server does not answer within a few seconds, the store cannot be used, or
            the experiment was deleted.
    """
    if tracking.uri is None:
        root = workspace.root.resolve()
        root.mkdir(parents=True, exist_ok=True)
        uri, artifacts = Workspace(root).tracking_uri, (root / "mlartifacts").as_uri()
    else:
        uri, artifacts = tracking.uri, None
        _require_answer(uri)
    try:
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        experiment_id = _experiment(client, tracking.experiment, artifacts)
    except MlflowException as error:
        raise ConfigError(
            f"the MLflow store {_shown(uri)!r} cannot be used: {_first_line(error)}. Correct "
            "`tracking.uri`, or set it to null for the store of the workspace."
        ) from error
    return TrackingStore(client, uri, experiment_id, tracking.registered_model)


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    """The id of the experiment of this name, made on first use."""
    known = client.get_experiment_by_name(name)
    if known is None:
        return str(client.create_experiment(name, artifact_location=artifacts))
    if known.lifecycle_stage != "active":
        raise ConfigError(
            f"the MLflow experiment {name!r} is {known.lifecycle_stage}. Restore it with "
            f"`mlflow experiments restore -x {known.experiment_id}`, or name another one in "
            "`tracking.experiment`."
        )
    return str(known.experiment_id)


def _require_answer(uri: str) -> None:
    """Fail in seconds where MLflow's own client would retry for minutes."""
    if not uri.startswith(("http://", "https://")):
        return
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=PATIENCE_SECONDS):
            pass
    except urllib.error.HTTPError:
        return  # it answered; whether we may come in is for the client to find out
    except OSError as error:
        raise ConfigError(
            f"the MLflow server {_shown(uri)!r} does not answer ({error}). Start it, correct "
            "`tracking.uri`, or set it to null for the store of the workspace."
        ) from error


def _shown(uri: str) -> str:
    """The address without the password that may stand in it."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
