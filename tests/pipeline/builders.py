"""A campaign small enough for many nights: a log of ages and cities, a model made by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from jobs import nightly
from tests.conftest import ROOT
from tests.jobs.builders import leave_experiment
from tests.serving.builders import ARMS, customers, model
from uplift.config import Config, load_config
from uplift.workspace import Workspace

N = 600
CAMPAIGN = """
workspace: {root}/ws
run_date: 2026-06-01
campaign: {{id: {campaign}}}
tracking: {{uri: "http://127.0.0.1:9"}}
inputs:
  flat_log: {{path: {root}/log.csv, format: csv, unit_id: unit_id, arm: arm, conversion: bought}}
features:
  static: [{{name: age, kind: numeric}}, {{name: city, kind: categorical}}]
  events: []
"""


class Nights:
    """A workspace as training leaves it, the log beside it, and how to run its nights."""

    def __init__(self, root: Path, campaign: str = "coupon") -> None:
        self.root, self.workspace = root, Workspace(root / "ws")
        self.log = root / "log.csv"
        conf = root / "campaign.yaml"
        conf.write_text(CAMPAIGN.format(root=root, campaign=campaign))
        self.files = [ROOT / "conf/base.yaml", conf]
        self.write_log()
        model().save(self.workspace.model)
        leave_experiment(self.workspace, n=N)

    def write_log(self, change: Callable[[pa.Table], pa.Table] = lambda table: table) -> None:
        """The customers as a log; ``change`` makes another one of it."""
        table = customers(N).select(["unit_id", "age", "city"])
        rng = np.random.default_rng(2)
        table = table.append_column("arm", pa.array(rng.choice(ARMS.names, N)))
        table = table.append_column("bought", pa.array(rng.integers(0, 2, N)))
        pyarrow.csv.write_csv(change(table), self.log)

    def options(self, *options: str) -> list[str]:
        """A command line for this campaign."""
        return [*(f"--config={file}" for file in self.files), *options]

    def config(self, *overrides: str) -> Config:
        return load_config(self.files, overrides)

    def night(self, *options: str) -> int:
        """Run a night in the session that is there; its exit status."""
        return nightly.main(self.options(*options))
