"""One embedded store with one logged model: MLflow takes seconds to make a database."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tracking import builders
from uplift.tracking.registry import RegisteredVersion
from uplift.tracking.store import TrackingStore, open_store
from uplift.workspace import Workspace


@dataclass(frozen=True)
class Logged:
    """A store that holds one run, made while ``started_in`` was the current folder."""

    store: TrackingStore
    version: RegisteredVersion
    root: Path
    started_in: Path


@pytest.fixture(scope="package")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    root = tmp_path_factory.mktemp("a workspace with blanks")
    started_in = tmp_path_factory.mktemp("elsewhere")
    before = Path.cwd()
    os.chdir(started_in)
    try:
        store = open_store(builders.TRACKING, Workspace(root))
        yield Logged(store, builders.log_small_run(store), root, started_in)
    finally:
        os.chdir(before)
