"""Workspaces as the jobs before training leave them, and small logs for those jobs to read."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs import check_experiment, read_experiment
from tests.conftest import ROOT
from tests.serving import builders as small_campaign
from uplift.config import Config, load_config
from uplift.experiment.split import split_of
from uplift.workspace import Workspace, read_document, write_document

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


def write_training_set(root: Path, table: pa.Table) -> None:
    """What jobs/check_experiment and jobs/build_training_set leave in the workspace."""
    workspace = Workspace(root)
    folder = workspace.table("training_set")
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "part-00000.parquet")
    write_document(workspace.report("experiment"), {"verdict": "pass", "is_refused": False})


BASE = ["--config", str(ROOT / "conf/base.yaml")]

# No MLflow answers at this port: a check goes on without it, and no time goes into making a store.
FLAT = """
workspace: {workspace}
campaign: {{id: test}}
tracking: {{uri: "http://127.0.0.1:9"}}
inputs:
  flat_log:
    {{path: {path}, format: csv, unit_id: who, arm: group, conversion: bought, revenue: spent}}
features:
  static: [{{name: age, kind: numeric}}, {{name: zip, kind: categorical}}]
"""
RAW = """
workspace: {workspace}
campaign: {{id: test}}
tracking: {{uri: "http://127.0.0.1:9"}}
inputs:
  raw: {{assignments: {path}/a.csv, events: {path}/e.csv, customers: {path}/c.csv, format: csv}}
features:
  static: [{{name: age, kind: numeric}}]
  events: [{{event_type: purchase, aggregates: [count], window_days: [30]}}]
"""
HEADER = "who,group,bought,spent,age,zip"
ARMS = ("no_coupon", "coupon_5", "coupon_10")


def rows(*sizes: int, bought: str = "1") -> list[str]:
    """Rows of the three arms, all alike within but for age and zip."""
    arms = [arm for arm, size in zip(ARMS, sizes, strict=False) for _ in range(size)]
    return [f"u{i},{arm},{bought},2.5,{20 + i % 7},{i % 3}" for i, arm in enumerate(arms)]


def judge(options: list[str]) -> int:
    """Read the log and check it; the first failure's exit status."""
    return read_experiment.main(options) or check_experiment.main(options)


class Case:
    """A folder with a log and the options that point the jobs to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.csv"
        self.workspace = folder / "workspace"

    def flat(self, lines: list[str], *options: str, header: str = HEADER) -> int:
        self.log.write_text("\n".join([header, *lines]) + "\n")
        return self._run(FLAT.format(workspace=self.workspace, path=self.log), options)

    def raw(
        self, assignments: list[str], events: list[str], customers: list[str], *options: str
    ) -> int:
        for name, lines in zip("aec", (assignments, events, customers), strict=True):
            (self.folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
        return self._run(RAW.format(workspace=self.workspace, path=self.folder), options)

    def _run(self, config: str, options: tuple[str, ...]) -> int:
        path = self.folder / "config.yaml"
        path.write_text(config)
        self.options = [*BASE, "--config", str(path), *options]
        return judge(self.options)

    @property
    def report(self) -> dict[str, Any]:
        return report_of(self.workspace)


def report_of(workspace: Path) -> dict[str, Any]:
    """The document of the only experiment."""
    path = Workspace(workspace).report("experiment")
    document: dict[str, Any] = read_document(path, made_by="check_experiment.py")
    [report] = document["experiments"]
    return report


def check_of(report: dict[str, Any], name: str) -> dict[str, Any]:
    """One check of a report."""
    return next(check for check in report["checks"] if check["name"] == name)


A = "experiment_id,unit_id,arm,assigned_at,propensity,cluster_id"
E = "unit_id,event_type,event_at,value"
C = "unit_id,age"
LAST = "u0,visit,2026-01-24T00:00:00Z,"  # the outcome windows are over


def raw_tables(n: int = 120) -> tuple[list[str], list[str], list[str]]:
    """Arms in turn; everybody bought before, and after it whoever got the 10 euro coupon."""
    units = range(n)
    assigned = [f"test,u{i},{ARMS[i % 3]},2026-01-10T00:00:00Z,," for i in units]
    bought = [f"u{i},purchase,2026-01-05T00:00:00Z,9" for i in units]
    bought += [f"u{i},purchase,2026-01-12T00:00:00Z,9" for i in units if i % 3 == 2]
    return [A, *assigned], [E, *bought], [C, *[f"u{i},{20 + i // 3}" for i in units]]


def leave_experiment(workspace: Workspace, *, n: int) -> None:
    """A training set of held-out rows alone, on which the small campaign's model is right."""
    rng = np.random.default_rng(4)
    features = small_campaign.customers(n).drop_columns(["as_of", "contactable"])
    fitted = small_campaign.model()
    chances = fitted.expected_outcome(fitted.encoder.encode(features))
    arm = rng.integers(0, 3, n)
    drawn = {
        "experiment_id": ["coupon"] * n,
        "arm": pa.array(arm, pa.int32()),
        "propensity": np.full(n, 1.0 / 3.0),
        "cluster_id": features["unit_id"].to_pylist(),
        "split": ["test"] * n,
        "conversion": (rng.random(n) < chances[np.arange(n), arm]).astype(np.float64),
    }
    table = features
    for name, values in drawn.items():
        table = table.append_column(name, pa.array(values))
    folder = workspace.table("training_set")
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "part-00000.parquet")
