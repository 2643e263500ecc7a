"""One decision over HTTP, one lookup, one export: what a request and a marketer wait for."""

import http.client
import json
import sqlite3
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from mlflow.models import Model

from serving.loading import load_service
from serving.values import Ask
from tests.benchmarks.conftest import Bench
from tests.serving.builders import ARMS, AS_OF, policy
from tests.serving.test_main import free_port, server
from tests.serving.test_service import campaign
from uplift.audience.manifest import Facts
from uplift.audience.snapshot import publish, staging_folder
from uplift.features.encoder import fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.learners.boosting import LocalTrainer
from uplift.learners.fit import Plan, fit_model
from uplift.learners.model import UpliftModel
from uplift.online.sqlite import SqliteStore, build_store
from uplift.tracking.package import save_pyfunc
from uplift.workspace import Workspace, write_document

N_FEATURES = 30
N_CUSTOMERS = 100_000
NAMES = [f"f{i:02d}" for i in range(N_FEATURES)]


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(N_CUSTOMERS, N_FEATURES))


@pytest.fixture(scope="module")
def model(matrix: np.ndarray) -> UpliftModel:
    """Three arms, 120 trees of 31 leaves each."""
    random = np.random.default_rng(2)
    features = matrix[:30_000]
    arm = random.integers(0, 3, len(features))
    chance = 0.2 + 0.1 * np.tanh(features[:, 0] + arm * features[:, 1])
    return fit_model(
        features,
        arm,
        np.full(len(features), 1 / 3),
        {"conversion": (random.random(len(features)) < chance).astype(float)},
        arms=ARMS,
        encoder=fit_encoder([FeatureColumn(name, "numeric") for name in NAMES], {}),
        plan=Plan(
            trainer=LocalTrainer(),
            parameters={"num_leaves": 31, "learning_rate": 0.05, "min_data_in_leaf": 50},
            rounds=120,
            seed=1,
        ),
    )


@pytest.fixture(scope="module")
def workspace(
    model: UpliftModel, matrix: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """A published run with all that the service reads."""
    workspace = Workspace(tmp_path_factory.mktemp("serving") / "coupon")
    priced = replace(policy(), model_version=model.version)
    columns = {name: matrix[:, i] for i, name in enumerate(NAMES)}
    ids = pa.array([f"u{i}" for i in range(N_CUSTOMERS)])
    table = pa.table({"unit_id": ids, "contactable": [True] * N_CUSTOMERS, **columns})
    facts = Facts("coupon", AS_OF, model.version, "", (), {}, {}, {})
    with staging_folder(workspace.published) as folder:
        model.save(folder / "model")
        write_document(folder / "policy.json", priced.to_document())
        build_store(folder / "customers.sqlite", table.to_batches(10_000), model.encoder)
        publish(workspace.published, folder, facts)
    return workspace


def microseconds(call: Callable[[int], object], n: int) -> float:
    """Median of ``n`` calls, each with another number, after a few to warm up."""
    for i in range(20):
        call(i)
    seconds = []
    for i in range(n):
        start = time.perf_counter()
        call(i)
        seconds.append(time.perf_counter() - start)
    return 1e6 * statistics.median(seconds)


def test_one_decision(
    bench: Bench, model: UpliftModel, matrix: np.ndarray, workspace: Workspace, tmp_path: Path
) -> None:
    packed = mlflow.pyfunc.load_model(str(save_pyfunc(model, tmp_path, identity=Model())))
    rows = [pd.DataFrame(matrix[i : i + 1], columns=NAMES) for i in range(100)]
    service = load_service(workspace.published, campaign())
    port = free_port()
    with server(workspace, port, "serving.log_requests=false"):
        connection = http.client.HTTPConnection("127.0.0.1", port)

        def over_http(i: int) -> None:
            body = json.dumps({"user_id": f"u{i}"})
            connection.request("POST", "/v1/decisions", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()

        ours = microseconds(over_http, 1000)
        connection.close()
    bench.row(
        "one decision over HTTP, 360 trees, p50",
        ours=ours,
        unit="us",
        peer=(
            "mlflow pyfunc, one row, no HTTP",
            microseconds(lambda i: packed.predict(rows[i % 100]), 100),
        ),
        floor=(
            "the service without HTTP",
            microseconds(lambda i: service.decide(Ask(f"u{i}")), 1000),
        ),
    )
    service.close()


def test_one_lookup(bench: Bench, matrix: np.ndarray, workspace: Workspace, tmp_path: Path) -> None:
    (path,) = workspace.published.glob("runs/*/customers.sqlite")
    store = SqliteStore(path)
    usual = sqlite3.connect(tmp_path / "usual.sqlite")
    usual.execute(f"CREATE TABLE customers (unit_id TEXT PRIMARY KEY, {', '.join(NAMES)})")
    usual.executemany(
        f"INSERT INTO customers VALUES (?{', ?' * N_FEATURES})",
        ((f"u{i}", *row) for i, row in enumerate(matrix.tolist())),
    )
    usual.commit()
    keys = [f"u{i}" for i in np.random.default_rng(3).integers(0, N_CUSTOMERS, 10_020)]
    memory = {f"u{i}": row for i, row in enumerate(matrix)}
    query = "SELECT * FROM customers WHERE unit_id = ?"

    bench.row(
        f"features of one of {N_CUSTOMERS:,} customers, p50",
        ours=microseconds(lambda i: store.get(keys[i]), 10_000),
        unit="us",
        peer=(
            "SQLite, a column per feature",
            microseconds(
                lambda i: np.array(usual.execute(query, keys[i : i + 1]).fetchone()[1:]), 10_000
            ),
        ),
        floor=("a dict", microseconds(lambda i: memory[keys[i]], 10_000)),
    )
    store.close()
    usual.close()
