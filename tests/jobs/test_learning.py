"""What the challenger is fitted on: a sample, everybody, here or where the rows lie."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs import learning, train_model
from tests.jobs.builders import config_of, training_set, write_training_set
from uplift.config import Config
from uplift.errors import ContractError
from uplift.learners.boosting import LocalTrainer
from uplift.selection.plans import plans_of
from uplift.selection.trial import Trial
from uplift.tracking.registry import CHALLENGER, fetch_model, require_version_at
from uplift.tracking.store import open_store
from uplift.workspace import Workspace

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    root = tmp_path_factory.mktemp("learn")
    write_training_set(root, training_set(effect=0.25))
    return config_of(root)


@pytest.fixture
def table(spark: SparkSession, config: Config) -> DataFrame:
    return spark.read.parquet(str(Workspace(config.workspace).table("training_set")))


def test_a_larger_log_is_sampled_by_unit_and_always_the_same_way(
    table: DataFrame, config: Config
) -> None:
    few = config_of(config.workspace, "training.max_rows=1000")
    rows = learning.rows_to_learn_from(table, few)
    again = learning.rows_to_learn_from(table.repartition(5), few)
    assert rows.n_available == table.where("split = 'train'").count()
    assert len(rows.arm) == pytest.approx(1000, abs=4 * 1000**0.5)
    assert (rows.features == again.features).all()


def test_a_forest_on_spark_learns_from_all_training_rows_and_is_that_of_one_machine(
    table: DataFrame, config: Config
) -> None:
    forest = "{n_trees: 4, min_leaf_rows: 50, min_arm_rows: 10, shard_rows: 1000}"
    candidate = f"{{name: f, learner: causal_forest, on_spark: true, forest: {forest}}}"
    few = config_of(
        config.workspace, f"training.candidates=[{candidate}]", "training.max_rows=1000"
    )
    plan = plans_of(few.training, few.campaign, LocalTrainer())["f"]
    sample = learning.rows_to_learn_from(table, few)
    best = Trial("f", plan, np.zeros(2), 0.95)
    found, n_rows = learning.fit_chosen(table, sample, best, few, digest="")
    everybody = learning.rows_to_learn_from(table, config)
    assert n_rows == len(everybody.arm) > len(sample.arm)
    here = learning.fit(everybody, "f", plan, few, digest="")
    assert found.version == here.version
    assert found.metadata == here.metadata
    assert learning.fit(sample, "f", plan, few, digest="").version != found.version


def test_revenue_is_learned_where_it_earns_money(table: DataFrame, config: Config) -> None:
    paid = config_of(config.workspace, "campaign.value.basis=revenue")
    rows = learning.rows_to_learn_from(table, paid)
    plan = plans_of(paid.training, paid.campaign, LocalTrainer())["t_learner"]
    model = learning.fit(rows, "t", plan, paid, digest="")
    assert model.outcomes == ("conversion", "revenue")


def test_revenue_that_is_not_logged_cannot_be_learned(spark: SparkSession, tmp_path: Path) -> None:
    table = training_set(effect=0.0, n=600)
    table = table.set_column(
        table.column_names.index("revenue"), "revenue", pa.nulls(600, pa.float64())
    )
    write_training_set(tmp_path, table)
    config = config_of(tmp_path, "campaign.value.basis=revenue")
    frame = spark.read.parquet(str(Workspace(tmp_path).table("training_set")))
    with pytest.raises(ContractError, match=r"`revenue` .* is null in (\d+) of \1 training rows"):
        learning.rows_to_learn_from(frame, config)


def test_a_feature_without_a_value_is_named(spark: SparkSession, tmp_path: Path) -> None:
    table = training_set(effect=0.0, n=600)
    table = table.set_column(table.column_names.index("age"), "age", pa.nulls(600, pa.float64()))
    write_training_set(tmp_path, table)
    frame = spark.read.parquet(str(Workspace(tmp_path).table("training_set")))
    with pytest.raises(ContractError, match="'age'"):
        learning.rows_to_learn_from(frame, config_of(tmp_path))


def test_on_spark_the_chosen_candidate_learns_from_all_rows(
    spark: SparkSession, tmp_path: Path
) -> None:
    write_training_set(tmp_path, training_set(effect=0.25, n=3000))
    config = config_of(
        tmp_path, "training.trainer=spark", "training.workers=2", "training.max_rows=1000"
    )
    train_model.run(spark, config)
    store = open_store(config.tracking, Workspace(tmp_path))
    version = require_version_at(store, CHALLENGER)
    run = store.client.get_run(version.run_id)
    assert run.data.metrics["training.rows"] == run.data.metrics["training.rows_available"] > 2000
    assert run.data.params["trainer"] == "spark"
    model = fetch_model(store, version)
    north, south = (
        model.encoder.encode_one({"age": 40.0, "region": r}) for r in ("north", "south")
    )
    # the true effects are 0.25 and -0.25; few rows and small trees pull them towards each other
    assert model.cate(north)[0, 1] > 0.05
    assert model.cate(south)[0, 1] < -0.05
