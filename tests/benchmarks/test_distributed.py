"""Training on Spark beside LightGBM in one process, and one task beside two.

Sizes: ``UPLIFT_BENCH_ROWS`` (200,000), for example 10000000. The cluster is a standalone one on
loopback. Each measurement has a process of its own, so that its memory can be weighed: the sum over
this process, its JVM and the cluster's Python workers, in proportional shares.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.benchmarks.conftest import Bench
from tests.spark.builders import standalone_cluster
from uplift.arms import Arms
from uplift.config import SparkSettings
from uplift.features.spec import FeatureColumn
from uplift.learners.boosting import LocalTrainer
from uplift.learners.fit import Plan
from uplift.spark.distributed_fit import fit_on_spark
from uplift.spark.session import make_session

pytestmark = pytest.mark.spark

N = int(os.environ.get("UPLIFT_BENCH_ROWS", "200000"))
D, ROUNDS, SEED = 20, 50, 7
ARMS = Arms(("no_coupon", "coupon"))
NAMES = [f"f{index}" for index in range(D)]
PARAMETERS = {"num_leaves": 31, "learning_rate": 0.1}
MEMORY = os.environ.get("UPLIFT_BENCH_MEMORY", "2g")  # of each worker and of the driver


def write_log(folder: Path, n_rows: int) -> Path:
    """A ``training_set`` of two arms in ten files."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    for part in range(10):
        n = n_rows // 10
        features = rng.normal(size=(n, D))
        arm = rng.integers(0, 2, n)
        score = features[:, 0] - 1.0 + arm * (features[:, 1] > 0.0)
        ids = pa.array([f"u{part}-{number}" for number in range(n)])
        columns = {
            "unit_id": ids,
            "experiment_id": pa.array(["e"] * n),
            "arm": pa.array(arm, pa.int32()),
            "propensity": np.full(n, 0.5),
            "cluster_id": ids,
            "conversion": (score + rng.logistic(size=n) > 0.0).astype(np.float64),
            **dict(zip(NAMES, features.T, strict=True)),
        }
        pq.write_table(pa.table(columns), folder / f"part-{part}.parquet")
    return folder


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("log") / "training_set", N)


def measured(log: Path, *how: str) -> dict[str, float]:
    """Seconds and GiB of a process that learns, with all that it started."""
    command = [sys.executable, "-m", "tests.benchmarks.test_distributed", str(log), *how]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_distributed_training_beside_one_process(bench: Bench, log: Path, tmp_path: Path) -> None:
    one = measured(log, "lightgbm")
    by_workers = {}
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        with standalone_cluster(workers, folder, memory=MEMORY) as url:
            by_workers[workers] = measured(log, url, str(workers))
    name = f"train a T-learner, {N:,} rows x {D} features, {ROUNDS} trees an arm"
    peer = ("LightGBM, one process, one thread, with reading", one["seconds"])
    bench.row(f"{name}, on Spark, 1 task", ours=by_workers[1]["seconds"], unit="s", peer=peer)
    bench.row(f"{name}, on Spark, 2 tasks", ours=by_workers[2]["seconds"], unit="s", peer=peer)
    bench.row(
        f"{name}, 2 tasks beside 1",
        ours=by_workers[2]["seconds"],
        unit="s",
        peer=("1 task", by_workers[1]["seconds"]),
    )
    bench.row(
        f"{name}, peak memory of driver, JVMs and 2 tasks",
        ours=by_workers[2]["gib"],
        unit="GiB",
        peer=("one process", one["gib"]),
        floor=("16 GB", 16e9 / 2**30),
    )
    assert one["log_loss"] == pytest.approx(by_workers[2]["log_loss"], rel=0.01)


def learn(log: Path, master: str, workers: str) -> tuple[float, object]:
    """A T-learner on Spark; seconds of the fit, and the answer for some rows."""
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": MEMORY,
        "spark.executor.memory": MEMORY,
        "spark.sql.shuffle.partitions": "8",
    }
    spark = make_session(SparkSettings(master=master, settings=settings), app_name="bench")
    frame = spark.read.parquet(str(log))
    frame.select("arm").summary("max").collect()  # executors are up
    start = time.perf_counter()
    done = fit_on_spark(
        frame,
        [FeatureColumn(name, "numeric") for name in NAMES],
        ["conversion"],
        arms=ARMS,
        plan=Plan(LocalTrainer(), PARAMETERS, ROUNDS, SEED),
        workers=int(workers),
        peer_timeout_s=600.0,
        salt="bench",
        source=str(log),
    )
    return time.perf_counter() - start, done.model.expected_outcome


def learn_alone(log: Path) -> tuple[float, object]:
    """The same boosters by LightGBM in this process."""
    start = time.perf_counter()
    table = pq.read_table(log)
    features = np.column_stack([table[name].to_numpy() for name in NAMES])
    arm, outcome = table["arm"].to_numpy(), table["conversion"].to_numpy()
    del table
    settings = {**PARAMETERS, "objective": "binary", "num_threads": 1, "force_row_wise": True}
    boosters = [
        lightgbm.train(
            {**settings, "verbosity": -1},
            lightgbm.Dataset(features[arm == drawn], outcome[arm == drawn]),
            ROUNDS,
        )
        for drawn in (0, 1)
    ]
    seconds = time.perf_counter() - start
    return seconds, lambda rows: np.column_stack([booster.predict(rows) for booster in boosters])


def main(log: Path, *how: str) -> None:
    is_over = threading.Event()
    peak = [0.0]
    watch = threading.Thread(target=weigh, args=(is_over, peak))
    watch.start()
    seconds, answer = learn_alone(log) if how == ("lightgbm",) else learn(log, *how)
    is_over.set()
    watch.join()
    some = pq.read_table(log / "part-0.parquet").slice(0, 20_000)
    expected = answer(np.column_stack([some[name].to_numpy() for name in NAMES]))  # type: ignore[operator]
    arm, outcome = some["arm"].to_numpy(), some["conversion"].to_numpy()
    chance = expected[np.arange(len(arm)), arm]
    log_loss = -np.log(np.where(outcome == 1.0, chance, 1.0 - chance)).mean()
    print(json.dumps({"seconds": seconds, "gib": peak[0], "log_loss": log_loss}))  # noqa: T201


def weigh(is_over: threading.Event, peak: list[float]) -> None:
    """The most memory that the bench's own processes took together, looked at twice a second."""
    while not is_over.wait(0.5):
        total = 0
        for process in descendants(os.getppid()):
            try:
                rollup = Path("/proc", str(process), "smaps_rollup").read_text()
            except OSError:
                continue  # it has ended
            [line] = [row for row in rollup.splitlines() if row.startswith("Pss:")]
            total += int(line.split()[1])
        peak[0] = max(peak[0], total / 2**20)


def descendants(process: int) -> list[int]:
    """All that a process started, and what those started: ours, and the cluster's."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(status.parent.name)] = int(after_name[1])
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
