"""A workspace as the jobs before training leave it: two coupons that move people, or do not."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import ROOT
from uplift.config import Config, load_config
from uplift.experiment.split import split_of
from uplift.workspace import Workspace, write_document

FEATURES = (
    """{static: [{name: age, kind: numeric}, {name: region, kind: categorical}], events: []}"""
)
N_UNITS = 6000


def config_of(root: Path, *overrides: str) -> Config:
    """The coupon campaign with two features, one candidate, few trees and few replicates."""
    return load_config(
        [ROOT / "conf/base.yaml", ROOT / "conf/campaigns/coupon.yaml"],
        [
            f"workspace={root}",
            f"features={FEATURES}",
            "training.candidates=[{name: t_learner, learner: t_learner}]",
            "training.rounds=20",
            "training.booster={num_leaves: 4, min_data_in_leaf: 50}",
            "evaluation.replicates=100",
            "tracking.registered_model=uplift-test",
            *overrides,
        ],
    )


def training_set(*, effect: float, seed: int = 0, n: int = N_UNITS) -> pa.Table:
    """Units of whom 3 in 10 convert; coupons add ``effect`` in the north, take it in the south."""
    rng = np.random.default_rng(seed)
    unit_id = [f"u{number:05d}" for number in range(n)]
    arm = rng.integers(0, 3, n)
    region = rng.choice(["north", "south"], n)
    chance = 0.3 + effect * np.where(region == "north", 1.0, -1.0) * np.array([0.0, 0.5, 1.0])[arm]
    conversion = (rng.random(n) < chance).astype(np.float64)
    columns = {
        "unit_id": unit_id,
        "experiment_id": ["coupon"] * n,
        "arm": pa.array(arm, pa.int32()),
        "propensity": np.full(n, 1.0 / 3.0),
        "cluster_id": unit_id,
        "split": split_of(unit_id, test_share=0.3, salt="split-1"),
        "conversion": conversion,
        "revenue": conversion * rng.uniform(20.0, 80.0, n),
        "age": rng.uniform(18.0, 90.0, n),
        "region": region,
    }
    return pa.table(columns)


def write_training_set(root: Path, table: pa.Table, *, verdict: str = "pass") -> None:
    """What jobs/check_experiment and jobs/build_training_set leave in the workspace."""
    workspace = Workspace(root)
    folder = workspace.table("training_set")
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "part-00000.parquet")
    write_document(workspace.report("experiment"), {"verdict": verdict, "checks": []})
