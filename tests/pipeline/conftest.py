"""Two whole walks, made once: a small simulated retailer and Hillstrom's log."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from jobs import run_campaign
from tests.conftest import ROOT
from uplift.config import Config, load_config

BASE = ROOT / "conf" / "base.yaml"
COUPON = ROOT / "conf" / "campaigns" / "coupon.yaml"
HILLSTROM = ROOT / "conf" / "examples" / "hillstrom.yaml"


class Walk:
    """The workspace of a campaign, and how to run its jobs there."""

    def __init__(self, root: Path, campaign: Path, overrides: Sequence[str]) -> None:
        self.files = (BASE, campaign)
        self.overrides = [f"workspace={root}", "evaluation.replicates=50", *overrides]

    @property
    def config(self) -> Config:
        return load_config(self.files, self.overrides)

    @property
    def argv(self) -> list[str]:
        files = [f"--config={file}" for file in self.files]
        return [*files, *(f"--set={override}" for override in self.overrides)]


@pytest.fixture(scope="package")
def coupon(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """12,000 simulated customers, walked from their log to a published run."""
    root = tmp_path_factory.mktemp("coupon")
    tables = ("assignments", "events", "customers")
    overrides = [
        "simulation.n_units=12000",
        f"simulation.scenario={ROOT / 'conf' / 'simulate' / 'retailer.yaml'}",
        *(f"inputs.raw.{table}={root / 'raw' / table}" for table in tables),
        "policy.budget_eur=4000",
    ]
    walk = Walk(root, COUPON, overrides)
    assert run_campaign.main(walk.argv) == 0
    return walk


@pytest.fixture(scope="package")
def hillstrom_walk(
    spark: object, hillstrom: Path, tmp_path_factory: pytest.TempPathFactory
) -> Walk:
    """Both e-mail arms of Hillstrom's log against control, by its example config."""
    overrides = [f"inputs.flat_log.path={hillstrom}"]
    walk = Walk(tmp_path_factory.mktemp("hillstrom"), HILLSTROM, overrides)
    assert run_campaign.main(walk.argv) == 0
    return walk
