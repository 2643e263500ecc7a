"""A real server that is killed, stopped and reloaded while callers ask."""

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.faults.serving.builders import callers
from tests.serving.builders import customers, publish_run, wide
from tests.serving.test_main import free_port, server
from uplift.online.decision_log import close_abandoned
from uplift.workspace import Workspace

BATCH = {row["unit_id"]: row for row in wide(customers()).to_pylist()}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "coupon")
    publish_run(workspace.published)
    return workspace


def logged(workspace: Workspace) -> list[str]:
    files = workspace.decision_log.glob("decisions-*")
    return [json.loads(line)["decision_id"] for path in files for line in path.open()]


@pytest.mark.slow
def test_kill_9_under_load_loses_no_decision_that_was_acknowledged(workspace: Workspace) -> None:
    port = free_port()
    acknowledging = server(workspace, port, "serving.decision_log.acknowledge=written")
    with acknowledging as (process, _), callers(port) as seen:
        while len(seen.answers) < 400:
            time.sleep(0.01)
        process.kill()
        process.wait()
    close_abandoned(workspace.decision_log)

    acknowledged = [a["decision_id"] for a in seen.answers if a["logged"] == "written"]
    found = logged(workspace)
    assert len(acknowledged) >= 400
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.slow
def test_a_stop_under_load_answers_what_it_took_and_logs_every_answer(workspace: Workspace) -> None:
    port = free_port()
    with server(workspace, port) as (process, _), callers(port) as seen:
        while len(seen.answers) < 300:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) in {0, -signal.SIGTERM}

    assert set(seen.statuses) == {200}
    assert {answer["decision_id"] for answer in seen.answers} <= set(logged(workspace))


@pytest.mark.slow
def test_reloads_and_bad_runs_under_load_fail_no_request_and_mix_no_two_runs(
    workspace: Workspace,
) -> None:
    port = free_port()
    whole, half = customers(), customers().slice(0, 150)
    known = {publish_run(workspace.published, t).run_id: t.num_rows for t in (half, whole)}
    with server(workspace, port, "serving.reload_seconds=0.05") as (_, log):
        with callers(port) as seen:
            for flip in range(8):
                publish_run(workspace.published, (whole, half)[flip % 2])
                time.sleep(0.3)
            bad = publish_run(workspace.root / "elsewhere", whole.slice(0, 50))
            bad.customers.write_bytes(bad.customers.read_bytes()[:-1])
            shutil.copytree(bad.folder, workspace.published / "runs" / bad.run_id)
            (bad.folder.parents[1] / "CURRENT").replace(workspace.published / "CURRENT")
            time.sleep(0.5)
        events = [json.loads(line)["event"] for line in log.read_text().splitlines()]

    assert (set(seen.statuses), seen.broken) == ({200}, 0)
    assert events.count("run.loaded") >= 4
    assert events.count("run.refused") == 1
    runs = {answer["data"]["run_id"] for answer in seen.answers}
    assert runs == set(known)
    for answer in seen.answers:
        is_known = int(answer["user_id"][1:]) < known[answer["data"]["run_id"]]
        assert (answer["fallback"] is None) == is_known
        if answer["fallback"] is None:
            assert answer["reason"] == BATCH[answer["user_id"]]["reason"]
