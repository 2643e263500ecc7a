"""A store is named, not assumed: nothing is written where a job happens to start."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tracking.builders import TRACKING
from tests.tracking.conftest import Logged
from uplift.errors import ConfigError
from uplift.tracking.registry import CHALLENGER, fetch_model, promote, version_at
from uplift.tracking.store import open_store
from uplift.workspace import Workspace

pytestmark = pytest.mark.slow

PROBE = """
import os
import uplift.tracking.store
from mlflow.telemetry import get_telemetry_client
assert get_telemetry_client() is None
"""


def test_a_whole_life_of_a_model_leaves_nothing_in_the_current_folder(logged: Logged) -> None:
    promote(logged.store, logged.version)
    version_at(logged.store, CHALLENGER)
    fetch_model(logged.store, logged.version)
    assert list(logged.started_in.iterdir()) == []
    assert {path.name for path in logged.root.iterdir()} == {"mlflow.db", "mlartifacts"}


def test_a_store_that_is_opened_again_is_the_same_store(logged: Logged) -> None:
    again = open_store(TRACKING, Workspace(logged.root))
    assert again.experiment_id == logged.store.experiment_id
    assert version_at(again, CHALLENGER) == version_at(logged.store, CHALLENGER)


def test_importing_our_room_sends_no_usage_statistics(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not list(tmp_path.rglob("*telemetry*"))


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://127.0.0.1:9", "does not answer"),
        ("file:///tmp/runs", "cannot be used"),
        ("nonsense://somewhere", "cannot be used"),
    ],
)
def test_a_store_that_cannot_be_used_is_named_with_its_key(
    tmp_path: Path, uri: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        open_store(TRACKING.model_copy(update={"uri": uri}), Workspace(tmp_path))
    assert uri in str(error.value)
    assert "`tracking.uri`" in str(error.value)


def test_a_password_in_the_address_stays_out_of_the_message(tmp_path: Path) -> None:
    uri = "http://ann:secret@127.0.0.1:9"
    with pytest.raises(ConfigError) as error:
        open_store(TRACKING.model_copy(update={"uri": uri}), Workspace(tmp_path))
    assert "secret" not in str(error.value)
    assert "http://127.0.0.1:9" in str(error.value)


def test_a_deleted_experiment_is_named_with_the_way_to_restore_it(logged: Logged) -> None:
    tracking = TRACKING.model_copy(update={"experiment": "gone"})
    gone = open_store(tracking, Workspace(logged.root))
    gone.client.delete_experiment(gone.experiment_id)
    with pytest.raises(ConfigError, match=f"mlflow experiments restore -x {gone.experiment_id}"):
        open_store(tracking, Workspace(logged.root))
