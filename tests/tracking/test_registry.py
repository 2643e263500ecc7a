"""The challenger asks, the champion serves; what comes back is what was registered."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.tracking import builders
from tests.tracking.conftest import Logged
from uplift.errors import ModelNotReadyError, VersionMismatchError
from uplift.tracking.registry import (
    CHALLENGER,
    CHAMPION,
    fetch_model,
    promote,
    require_version_at,
    version_at,
)

pytestmark = pytest.mark.slow


def test_a_fetched_model_saves_to_the_bytes_of_the_one_that_was_logged(
    logged: Logged, tmp_path: Path
) -> None:
    fetch_model(logged.store, logged.version).save(tmp_path / "fetched")
    builders.fitted_model().save(tmp_path / "fitted")
    names = sorted(path.name for path in (tmp_path / "fitted").iterdir())
    assert names == ["conversion.npz", "model.json", "revenue.npz"]
    for name in names:
        fetched = (tmp_path / "fetched" / name).read_bytes()
        assert fetched == (tmp_path / "fitted" / name).read_bytes()


def test_a_new_version_takes_the_challenger_alias_and_leaves_the_champion(logged: Logged) -> None:
    promote(logged.store, logged.version)
    newer = builders.log_small_run(logged.store, builders.fitted_model(seed=1))
    assert newer.number > logged.version.number
    assert version_at(logged.store, CHALLENGER) == newer
    assert version_at(logged.store, CHAMPION) == logged.version
    assert fetch_model(logged.store, newer).version == builders.fitted_model(seed=1).version


def test_a_name_that_nobody_registered_has_no_champion(logged: Logged) -> None:
    unknown = replace(logged.store, registered_model="nobody")
    assert version_at(unknown, CHAMPION) is None
    with pytest.raises(ModelNotReadyError, match=r"'nobody' has no challenger.*jobs/train_model"):
        require_version_at(unknown, CHALLENGER)


def test_content_that_is_not_what_was_registered_is_refused(logged: Logged) -> None:
    claimed = replace(logged.version, model_version="0" * 12)
    with pytest.raises(VersionMismatchError, match="registered with content 000000000000"):
        fetch_model(logged.store, claimed)
