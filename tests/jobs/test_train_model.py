"""Training: the same rows give the same model, and MLflow knows where it came from."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import mlflow.artifacts
import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import learning, train_model
from tests.jobs.builders import config_of, training_set, write_training_set
from uplift.config import Config
from uplift.errors import ExperimentError, OverlapError
from uplift.selection.trial import chosen
from uplift.spark.fingerprint import fingerprint
from uplift.spark.training_set import with_propensities
from uplift.tracking.registry import (
    CHALLENGER,
    CHAMPION,
    RegisteredVersion,
    fetch_model,
    require_version_at,
    version_at,
)
from uplift.tracking.store import TrackingStore, open_store
from uplift.workspace import Workspace

pytestmark = pytest.mark.spark

CANDIDATES = """training.candidates=[
    {name: t_learner, learner: t_learner}, {name: x_learner, learner: x_learner},
]"""
SECRETS = ["tracking.experiment=shop", "spark.settings={spark.hadoop.fs.s3a.secret.key: hush}"]


@dataclass(frozen=True)
class Trained:
    config: Config
    store: TrackingStore


@pytest.fixture(scope="module")
def trained(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root = tmp_path_factory.mktemp("train")
    write_training_set(root, training_set(effect=0.25))
    config = config_of(root, CANDIDATES, *SECRETS)
    train_model.run(spark, config)
    return Trained(config, open_store(config.tracking, Workspace(root)))


@pytest.fixture
def table(spark: SparkSession, trained: Trained) -> DataFrame:
    return spark.read.parquet(str(Workspace(trained.config.workspace).table("training_set")))


@pytest.fixture
def challenger(trained: Trained) -> RegisteredVersion:
    return require_version_at(trained.store, CHALLENGER)


def test_the_model_is_the_challenger_and_nobody_is_champion_yet(
    trained: Trained, challenger: RegisteredVersion
) -> None:
    assert version_at(trained.store, CHAMPION) is None
    model = fetch_model(trained.store, challenger)
    assert model.arms == trained.config.campaign.arms
    assert model.encoder.categories == {"region": ("north", "south")}
    assert model.outcomes == ("conversion",)


def test_the_model_learned_who_is_moved(trained: Trained, challenger: RegisteredVersion) -> None:
    model = fetch_model(trained.store, challenger)
    north, south = (
        model.encoder.encode_one({"age": 40.0, "region": r}) for r in ("north", "south")
    )
    assert model.cate(north)[0, 1] > 0.1
    assert model.cate(south)[0, 1] < -0.1


def test_the_run_names_the_data_and_keeps_the_config_without_its_secrets(
    table: DataFrame, trained: Trained, challenger: RegisteredVersion, tmp_path: Path
) -> None:
    run = trained.store.client.get_run(challenger.run_id)
    digest = fingerprint(table).digest
    assert run.data.tags["data.fingerprint"] == digest
    assert fetch_model(trained.store, challenger).metadata["training_set"] == digest
    assert run.data.params["booster.num_leaves"] == "4"
    assert run.data.params["rounds"] == "20"
    kept = mlflow.artifacts.download_artifacts(
        run_id=challenger.run_id, dst_path=str(tmp_path), tracking_uri=trained.store.uri
    )
    text = Path(kept, "documents", "config.json").read_text()
    assert json.loads(text)["campaign"]["id"] == "coupon"
    assert "hush" not in text
    assert json.loads(Path(kept, "documents", "experiment.json").read_text())["verdict"] == "pass"


def test_every_candidate_and_the_response_model_is_a_child_run(
    trained: Trained, challenger: RegisteredVersion
) -> None:
    parent = trained.store.client.get_run(challenger.run_id)
    children = trained.store.client.search_runs(
        [trained.store.experiment_id], f"tags.mlflow.parentRunId = '{challenger.run_id}'"
    )
    by_name = {run.info.run_name: run for run in children}
    names = [candidate.name for candidate in trained.config.training.candidates]
    assert set(by_name) == {*names, "response"}
    autoc = {name: run.data.metrics["validation.autoc.estimate"] for name, run in by_name.items()}
    assert all(autoc[name] > 0.0 for name in names)
    assert all(run.data.metrics["validation.autoc.low"] < autoc[n] for n, run in by_name.items())
    assert {run.data.params["learner"] for run in children} == {*names, "response"}
    assert parent.data.metrics["validation.autoc.estimate"] == autoc[parent.info.run_name]

    path = Workspace(trained.config.workspace).report("training")
    report = json.loads(path.read_text())
    assert report["chosen"] == parent.info.run_name
    assert list(report["trials"]) == sorted([*names, "response"])
    assert report["trials"]["response"]["is_baseline"]
    assert {n: trial["autoc"]["estimate"] for n, trial in report["trials"].items()} == autoc


def test_a_candidate_that_the_log_does_not_allow_steps_aside(
    table: DataFrame, trained: Trained
) -> None:
    candidates = (
        "[{name: z, learner: class_transformation}, {name: t, learner: t_learner, rounds: 5}]"
    )
    config = config_of(trained.config.workspace, f"training.candidates={candidates}")
    rows = learning.rows_to_learn_from(table, config)
    uneven = replace(rows, propensity=np.where(rows.features[:, 0] > 40.0, 0.3, 0.35))
    assert [trial.name for trial in learning.compare(uneven, config)] == ["t", "response"]
    only = config_of(
        trained.config.workspace, "training.candidates=[{name: z, learner: class_transformation}]"
    )
    with pytest.raises(OverlapError, match="varies between"):
        learning.compare(uneven, only)


def test_a_search_competes_and_its_trials_are_child_runs(
    spark: SparkSession, trained: Trained, tmp_path: Path
) -> None:
    write_training_set(tmp_path, training_set(effect=0.25))
    tuning = "{trials: 3, learners: [t_learner], space: {rounds: {low: 2, high: 9}}}"
    config = config_of(tmp_path, CANDIDATES, f"training.tuning={tuning}")
    train_model.run(spark, config)
    assert Workspace(tmp_path).search("learners").is_file()
    report = json.loads(Workspace(tmp_path).report("training").read_text())
    assert list(report["trials"]) == ["response", "t_learner", "tuned", "x_learner"]
    tried = {trial["settings"]["rounds"]: trial["metrics"][-1] for trial in report["tuning"]}
    store = open_store(config.tracking, Workspace(tmp_path))
    version = require_version_at(store, CHALLENGER)
    children = store.client.search_runs(
        [store.experiment_id], f"tags.mlflow.parentRunId = '{version.run_id}'"
    )
    by_name = {run.info.run_name: run for run in children}
    assert {f"tuning-{number}" for number in range(3)} < set(by_name)
    best = by_name["tuned"].data.params["rounds"]
    assert tried[int(best)] == max(tried.values())

    config = config_of(tmp_path, CANDIDATES, f"training.tuning={tuning.replace('3', '4', 1)}")
    train_model.run(spark, config)
    again = json.loads(Workspace(tmp_path).report("training").read_text())
    assert again["tuning"][:3] == report["tuning"]
    assert len(again["tuning"]) == 4


@pytest.mark.parametrize("partitions", [1, 8])
def test_the_version_does_not_depend_on_how_the_table_is_cut(
    table: DataFrame, trained: Trained, challenger: RegisteredVersion, partitions: int
) -> None:
    shuffled = table.repartition(partitions, "age")
    rows = learning.rows_to_learn_from(shuffled, trained.config)
    as_written = learning.rows_to_learn_from(table, trained.config)
    np.testing.assert_array_equal(rows.features, as_written.features)
    np.testing.assert_array_equal(rows.outcomes["conversion"], as_written.outcomes["conversion"])
    best = chosen(learning.compare(rows, trained.config))
    model = learning.fit(rows, best.name, best.plan, trained.config, digest="")
    assert model.version == challenger.model_version


def test_randomisation_units_come_along_and_chances_of_all_arms_where_the_table_has_them(
    table: DataFrame, trained: Trained
) -> None:
    plain = learning.rows_to_learn_from(table, trained.config)
    assert plain.cluster.tolist() == sorted(plain.cluster)  # here the unit, in whose order rows are
    assert plain.propensities is None
    chances = F.array(*map(F.lit, (0.5, 0.3, 0.2)))
    rows = learning.rows_to_learn_from(table.withColumn("propensities", chances), trained.config)
    assert rows.propensities is not None
    assert rows.propensities.shape == (len(rows.arm), 3)
    assert rows.propensities[-1].tolist() == [0.5, 0.3, 0.2]
    of_some = table.withColumn("propensities", F.when(F.col("age") > 40.0, chances))
    assert learning.rows_to_learn_from(of_some, trained.config).propensities is None


def test_pooled_experiments_of_different_shares_keep_no_family_out(
    table: DataFrame, trained: Trained
) -> None:
    names = ("x_learner", "r_learner", "dr_learner", "transformed_outcome")
    listed = ", ".join(f"{{name: {name}, learner: {name}, rounds: 2}}" for name in names)
    config = config_of(
        trained.config.workspace,
        f"training.candidates=[{listed}]",
        "campaign.experiments=[{id: coupon}, {id: june, planned_shares: "
        "{no_coupon: 2, coupon_5: 1, coupon_10: 1}}]",
    )
    is_june = F.crc32("unit_id") % 2 == 0
    pooled = table.drop("propensity").withColumns(
        {
            "propensity": F.lit(None).cast("double"),
            "experiment_id": F.when(is_june, "june").otherwise(F.col("experiment_id")),
        }
    )
    rows = learning.rows_to_learn_from(with_propensities(pooled, campaign=config.campaign), config)
    assert rows.propensities is not None
    assert sorted({tuple(row) for row in rows.propensities.round(4).tolist()}) == [
        (0.3333, 0.3333, 0.3333),
        (0.5, 0.25, 0.25),
    ]
    assert [trial.name for trial in learning.compare(rows, config)] == [*names, "response"]


def test_a_failed_experiment_is_refused_until_somebody_answers_for_it() -> None:
    with pytest.raises(ExperimentError, match=r"`experiment\.overrides`"):
        train_model.require_sound({"is_refused": True})
    train_model.require_sound({"is_refused": False})
