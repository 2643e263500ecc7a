from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs import simulate_experiment
from tests.conftest import ROOT
from uplift.experiment.simulate import load_scenario, simulate_block
from uplift.workspace import Workspace

RETAILER = ROOT / "conf" / "simulate" / "retailer.yaml"


def simulate(root: Path, *settings: str) -> int:
    raw = root / "raw"
    paths = [f"inputs.raw.{name}={raw / name}" for name in ("assignments", "events", "customers")]
    smaller = ["simulation.n_units=300", f"simulation.scenario={RETAILER}"]
    conf = [f"--config={ROOT / 'conf' / name}" for name in ("base.yaml", "campaigns/coupon.yaml")]
    settings = (f"workspace={root}", *paths, *smaller, *settings)
    return simulate_experiment.main([*conf, *(f"--set={setting}" for setting in settings)])


def test_the_log_lies_where_the_campaign_reads_it(tmp_path: Path) -> None:
    assert simulate(tmp_path) == 0
    expected = simulate_block(load_scenario(RETAILER), seed=1, block=0, n_units=300)
    for table in ("assignments", "events", "customers", "truth"):
        written = pq.read_table(Workspace(tmp_path).root / "raw" / table)
        assert written.equals(getattr(expected, table))


def test_the_campaign_may_turn_the_knobs(tmp_path: Path) -> None:
    assert simulate(tmp_path, "simulation.knobs={not_exposed_share: 1.0}") == 0
    assert set(pq.read_table(tmp_path / "raw" / "truth")["exposed"].to_pylist()) == {False}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("simulation=null", "`simulation` is null"),
        ("simulation.scenario=conf/nowhere.yaml", "conf/nowhere.yaml does not exist"),
        ("simulation.knobs={confoundin: 1}", "did you mean `confounding`"),
        ("campaign.id=mail", "campaign.id is 'mail' in the campaign, but 'coupon' in the scenario"),
        ("campaign.control=nothing", "the list of arms is ['nothing', 'coupon_5'"),
        ("campaign.outcome_event=visit", "campaign.outcome_event is 'visit'"),
        ("campaign.outcome_window_days=7", "campaign.outcome_window_days is 7"),
        ("inputs.raw.events=elsewhere", "inputs.raw.events is elsewhere, the simulated one is"),
        ("inputs.raw.format=csv", "inputs.raw.format is 'csv'"),
        ("simulation.seed=-1", "`simulation.seed` = -1"),
        ("simulation.n_units=0", "`simulation.n_units` = 0"),
    ],
)
def test_a_simulation_that_the_walk_could_not_use_is_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str, message: str
) -> None:
    assert simulate(tmp_path, setting) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "raw").exists()


def test_a_flat_log_has_no_place_for_a_simulation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = "{path: null, format: csv, arm: a, conversion: b}"
    conf = [f"--config={ROOT / 'conf' / name}" for name in ("base.yaml", "campaigns/coupon.yaml")]
    settings = [f"workspace={tmp_path}", "inputs.raw=null", f"inputs.flat_log={flat}"]
    settings += [f"simulation.scenario={RETAILER}"]
    arguments = [*conf, *(f"--set={setting}" for setting in settings)]
    assert simulate_experiment.main(arguments) == 2
    assert "inputs.raw.assignments is None" in capsys.readouterr().err
