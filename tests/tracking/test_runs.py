"""A run tells what was learned, from what, by which code."""

import json
from dataclasses import replace
from pathlib import Path

import mlflow.artifacts
import pytest
from matplotlib.figure import Figure

from tests.tracking import builders
from tests.tracking.conftest import Logged
from uplift.errors import ConfigError
from uplift.tracking.runs import Findings, log_run

pytestmark = pytest.mark.slow


def test_a_run_keeps_parameters_code_version_and_the_fingerprint_of_its_data(
    logged: Logged,
) -> None:
    run = logged.store.client.get_run(logged.version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"rounds": "5", "booster.num_leaves": "4", "budget": "None"}
    assert run.data.tags["mlflow.source.git.commit"] == builders.CODE.commit
    assert run.data.tags["code.sources"] == builders.CODE.sources
    assert run.data.tags["data.fingerprint"] == builders.LESSON.digest
    assert run.data.tags["model.version"] == builders.fitted_model().version
    (learned_from,) = run.inputs.dataset_inputs
    assert learned_from.dataset.digest == builders.LESSON.digest
    assert json.loads(learned_from.dataset.profile) == {"num_rows": 900}


def test_findings_are_kept_with_the_run_and_numbers_with_the_model(
    logged: Logged, tmp_path: Path
) -> None:
    figure = Figure()
    figure.subplots().plot([0, 1], [0, 1])
    version = builders.log_small_run(
        logged.store,
        findings=Findings(
            metrics={"qini.5% off (web)": 0.25, **{f"many.{n}": 1.0 for n in range(1200)}},
            figures={"qini.png": figure},
            documents={"config.json": {"rounds": 5}},
        ),
    )

    metrics = logged.store.client.get_run(version.run_id).data.metrics
    assert metrics["qini.5_ off _web_"] == 0.25
    assert len(metrics) == 1201
    model = logged.store.client.get_logged_model(version.model_id)
    assert {m.key: m.value for m in model.metrics} == metrics
    kept = mlflow.artifacts.download_artifacts(
        run_id=version.run_id, dst_path=str(tmp_path), tracking_uri=logged.store.uri
    )
    assert json.loads(Path(kept, "documents", "config.json").read_text()) == {"rounds": 5}
    assert Path(kept, "figures", "qini.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_breaks_is_marked_as_failed_and_registers_nothing(logged: Logged) -> None:
    client, name = logged.store.client, logged.store.registered_model
    before = len(client.search_model_versions(f"name='{name}'"))

    with pytest.raises(TypeError, match="serializable"):
        builders.log_small_run(
            logged.store, findings=Findings(documents={"broken.json": {"what": object()}})
        )

    last = client.search_runs([logged.store.experiment_id], order_by=["start_time DESC"])[0]
    assert last.info.status == "FAILED"
    assert len(client.search_model_versions(f"name='{name}'")) == before


def test_a_check_is_a_run_of_its_own_without_a_model(logged: Logged, tmp_path: Path) -> None:
    findings = Findings(metrics={"check.power": 0.1}, pages={"experiment.html": "<p>ä</p>"})

    run_id = log_run(logged.store, findings, name="check_experiment", tags={"verdict": "warn"})

    run = logged.store.client.get_run(run_id)
    assert (run.info.run_name, run.info.status) == ("check_experiment", "FINISHED")
    assert run.data.tags["verdict"] == "warn"
    assert run.data.metrics == {"check.power": 0.1}
    kept = mlflow.artifacts.download_artifacts(
        run_id=run_id, dst_path=str(tmp_path), tracking_uri=logged.store.uri
    )
    assert Path(kept, "pages", "experiment.html").read_text(encoding="utf-8") == "<p>ä</p>"


def test_a_store_that_takes_no_run_is_one_clear_sentence(logged: Logged) -> None:
    elsewhere = replace(logged.store, experiment_id="404404")
    with pytest.raises(ConfigError, match=r"cannot take the run 'check' with 0 numbers"):
        log_run(elsewhere, Findings(), name="check", tags={})
