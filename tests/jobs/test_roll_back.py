from pathlib import Path

import pytest

from jobs import roll_back
from tests.conftest import ROOT
from tests.faults.builders import night
from tests.online.test_redis_store import URL, campaign, client  # noqa: F401 - fixtures
from uplift.audience.snapshot import current
from uplift.online.redis_store import RedisStore
from uplift.workspace import Workspace

FILES = ["conf/base.yaml", "conf/campaigns/coupon.yaml"]


def go_back(workspace: Workspace, *options: str) -> int:
    files = [f"--config={ROOT / file}" for file in FILES]
    return roll_back.main([*files, f"--set=workspace={workspace.root}", *options])


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two nights."""
    workspace = Workspace(tmp_path)
    night(workspace, 0)
    night(workspace, 1)
    return workspace


def test_readers_go_back_to_the_run_before_and_forward_by_name(workspace: Workspace) -> None:
    newer = current(workspace.published).run_id
    assert go_back(workspace) == 0
    assert current(workspace.published).run_id < newer
    assert go_back(workspace, "--to", newer) == 0
    assert current(workspace.published).run_id == newer


def test_there_is_no_way_back_from_the_first(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go_back(workspace) == 0
    assert go_back(workspace) == 2
    assert "no run that readers used before" in capsys.readouterr().err


def test_redis_goes_back_too_though_it_has_forgotten_the_run(
    workspace: Workspace,
    client,  # noqa: F811
    campaign: str,  # noqa: F811
) -> None:
    options = ["online.store=redis", f"online.redis.url={URL}", f"campaign.id={campaign}"]
    assert go_back(workspace, *(f"--set={option}" for option in options)) == 0
    run_id = current(workspace.published).run_id
    store = RedisStore(client, campaign, run_id)
    assert store.get("u000") is not None
