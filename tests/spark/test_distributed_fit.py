"""Tasks that learn together on Spark find the model of one process, or say who was lost."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tests.conftest import ROOT
from tests.jobs.builders import training_set
from tests.spark.builders import standalone_cluster
from uplift.arms import Arms
from uplift.errors import ConfigError, ContractError, PeerLostError
from uplift.features.spec import FeatureColumn
from uplift.hashing import hash_uniforms
from uplift.learners.boosting import LocalTrainer
from uplift.learners.data import TrainingData
from uplift.learners.fit import Plan
from uplift.spark.distributed_fit import DistributedFit, fit_on_spark

pytestmark = pytest.mark.spark

ARMS = Arms(("no_coupon", "coupon_5", "coupon_10"))
# A dot in a name, which Spark takes for a field.
FEATURES = [FeatureColumn("age.years", "numeric"), FeatureColumn("region", "categorical")]
BY_HESSIAN = {"num_leaves": 4, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 20.0}
LOG = training_set(effect=0.25, n=3000)
LOG = LOG.rename_columns(["age.years" if name == "age" else name for name in LOG.column_names])


@pytest.fixture(scope="module")
def table(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(LOG)


def fit(
    table: DataFrame,
    plan: Plan | None = None,
    *,
    outcomes: tuple[str, ...] = ("conversion",),
    workers: int | None = 2,
    timeout_s: float = 60.0,
) -> DistributedFit:
    return fit_on_spark(
        table,
        FEATURES,
        outcomes,
        arms=ARMS,
        plan=plan or plan_of("t_learner"),
        workers=workers,
        peer_timeout_s=timeout_s,
        salt="s",
        source="the log",
    )


def plan_of(learner: str, kind: Callable[..., Plan] = Plan, **parameters: Any) -> Plan:
    return kind(LocalTrainer(), {**BY_HESSIAN, **parameters}, 10, 7, learner=learner)


@pytest.mark.parametrize("learner", ["t_learner", "dr_learner"])
def test_two_tasks_find_the_model_of_one_process(table: DataFrame, learner: str) -> None:
    done = fit(table, plan_of(learner))
    assert (done.n_rows, done.n_workers) == (3000, 2)
    features = done.model.encoder.encode(LOG)
    in_order = np.argsort(hash_uniforms(LOG["cluster_id"].to_pylist(), "s:share"))
    alone = plan_of(learner).fit(
        TrainingData(
            features[in_order],
            LOG["arm"].to_numpy()[in_order],
            LOG["conversion"].to_numpy()[in_order],
            LOG["propensity"].to_numpy()[in_order],
            cluster=np.array(LOG["cluster_id"].to_pylist(), dtype=object)[in_order],
        ),
        "conversion",
        3,
        categorical=(1,),
    )
    np.testing.assert_allclose(
        done.model.expected_outcome(features), alone.predict(features), atol=1e-6
    )


def test_neither_order_nor_files_change_a_bit(table: DataFrame) -> None:
    shuffled = table.orderBy(F.col("`age.years`")).repartition(3)
    assert fit(shuffled).model.version == fit(table).model.version


def test_a_mistake_is_told_as_what_it_is_and_not_tried_again(table: DataFrame) -> None:
    with pytest.raises(ConfigError, match=r"LightGBM refuses .*`training.booster`"):
        fit(table, plan_of("t_learner", num_leaves=1))
    infinite = table.withColumn("age.years", F.when(F.col("unit_id") == "u00007", np.inf))
    with pytest.raises(ContractError, match=r"'age.years' is infinite in 1 of"):
        fit(infinite)


def test_more_tasks_than_can_run_at_once_are_refused_at_once(table: DataFrame) -> None:
    with pytest.raises(ConfigError, match=r"`training.workers` is 3, but Spark runs 2 tasks"):
        fit(table, workers=3)


def test_a_small_log_is_left_to_one_task(table: DataFrame) -> None:
    assert fit(table, workers=None).n_workers == 1


def test_an_outcome_that_is_missing_somewhere_is_counted(table: DataFrame) -> None:
    missing = table.withColumn("conversion", F.when(F.col("arm") > 0, F.col("conversion")))
    with pytest.raises(ContractError, match=r"`conversion` of the log is null in \d+ of 3000"):
        fit(missing)


def interrupted(
    at_exchange: int, flag: Path, happens: Callable[[Path], None]
) -> Callable[..., Plan]:
    """A plan in whose midst something happens to the second task, unless ``flag`` exists."""

    class Interrupted(Plan):
        def fit(self, data, *args, **options):
            peers, n_left = self.trainer.peers, at_exchange

            class Peers:
                rank, size = peers.rank, peers.size

                def exchange(self, parts):
                    nonlocal n_left
                    n_left -= 1
                    if n_left == 0 and self.rank == 1 and not flag.exists():
                        happens(flag)
                    return peers.exchange(parts)

            object.__setattr__(self.trainer, "peers", Peers())
            return super().fit(data, *args, **options)

    return Interrupted


def die(flag: Path) -> None:
    flag.touch()
    os.kill(os.getpid(), 9)


def test_a_task_that_dies_in_the_midst_is_survived(table: DataFrame, tmp_path: Path) -> None:
    plan = plan_of("t_learner", interrupted(60, tmp_path / "killed", die))
    start = time.monotonic()
    done = fit(table, plan, timeout_s=300.0)
    assert (tmp_path / "killed").exists()
    assert time.monotonic() - start < 150.0  # nobody waited for the time-out
    assert done.model.version == fit(table).model.version


@pytest.mark.long
def test_a_task_that_stops_is_named_when_the_time_is_over(table: DataFrame, tmp_path: Path) -> None:
    plan = plan_of("t_learner", interrupted(60, tmp_path / "never", lambda _: time.sleep(600)))
    with pytest.raises(PeerLostError, match=r"task 1 on .* said nothing for 2 s"):
        fit(table, plan, timeout_s=2.0)


def test_chances_of_all_arms_and_revenue_come_along(table: DataFrame) -> None:
    chances = table.withColumn("propensities", F.array(*map(F.lit, (1 / 3, 1 / 3, 1 / 3))))
    done = fit(chances, plan_of("x_learner"), outcomes=("conversion", "revenue"))
    assert done.model.outcomes == ("conversion", "revenue")
    effects = done.model.cate(done.model.encoder.encode(LOG), "revenue")[:, 1]
    is_north = np.array(LOG["region"].to_pylist()) == "north"
    assert effects[is_north].mean() > 2.0 > -2.0 > effects[~is_north].mean()


def test_a_table_without_rows_is_refused(table: DataFrame) -> None:
    with pytest.raises(ContractError, match="the log is empty: 0 rows"):
        fit(table.limit(0))


ON_A_CLUSTER = """
import os, sys, time
from pathlib import Path
from tests.spark.test_distributed_fit import LOG, fit, interrupted, plan_of
from uplift.config import SparkSettings
from uplift.spark.session import make_session

def kill_executor(flag):
    flag.touch()
    daemon = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()
    os.kill(int(daemon[1]), 9)

settings = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
            "spark.executor.memory": "1g", "spark.sql.shuffle.partitions": "2"}
spark = make_session(SparkSettings(master=sys.argv[1], settings=settings), app_name="t")
table = spark.createDataFrame(LOG)
while spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size() < 3:
    time.sleep(0.2)
flag = Path(sys.argv[2])
killed = fit(table, plan_of("t_learner", interrupted(60, flag, kill_executor)), timeout_s=300.0)
print("versions", killed.model.version, fit(table).model.version, flag.exists())
"""


@pytest.mark.long
def test_two_workers_of_a_cluster_survive_that_one_executor_is_killed(tmp_path: Path) -> None:
    with standalone_cluster(2, tmp_path) as url:
        done = subprocess.run(
            [sys.executable, "-c", ON_A_CLUSTER, url, str(tmp_path / "flag")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    [line] = [line for line in done.stdout.splitlines() if line.startswith("versions")]
    _, survived, undisturbed, was_killed = line.split()
    assert was_killed == "True"
    assert survived == undisturbed
