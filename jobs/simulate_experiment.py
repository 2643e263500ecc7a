"""Write the log of an experiment whose true effects are known.

Reads the scenario that ``simulation.scenario`` names. Writes ``raw/assignments``, ``raw/events``
and ``raw/customers`` of the workspace, as a real log would come, and ``raw/truth`` beside them.

    python -m jobs.simulate_experiment --config conf/base.yaml --config conf/campaigns/coupon.yaml

The same scenario, size and seed give the same bytes. Without Spark.

Next: jobs/read_experiment.py
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from uplift.config import Config
from uplift.errors import ConfigError
from uplift.experiment.simulate import Scenario, load_scenario, write_log
from uplift.logs import event
from uplift.spark.door import run_plain_job
from uplift.workspace import Workspace

log = logging.getLogger(__name__)


def run(config: Config) -> None:
    """Load the scenario, turn its knobs, write the log."""
    simulation = config.simulation
    if simulation is None:
        raise ConfigError(
            "`simulation` is null: there is no scenario to simulate. Set it as in "
            "conf/campaigns/coupon.yaml, or leave this job out and bring a real log."
        )
    scenario = load_scenario(simulation.scenario).with_knobs(**simulation.knobs)
    directory = Workspace(config.workspace).root / "raw"
    problems = [*_campaign_problems(config, scenario), *_path_problems(config, directory)]
    if problems:
        raise ConfigError(f"{scenario.source} does not fit the campaign: {'; '.join(problems)}.")
    counts = write_log(scenario, directory, n_units=simulation.n_units, seed=simulation.seed)
    event(log, "experiment.simulated", units=counts.units, events=counts.events)


def _campaign_problems(config: Config, scenario: Scenario) -> Iterator[str]:
    """Where the scenario speaks of another experiment than the campaign."""
    declared, campaign = scenario.declared, config.campaign
    pairs = {
        "campaign.id": (campaign.id, declared.assignment.experiment_id),
        "the list of arms": (list(campaign.arms.names), list(scenario.arms.names)),
        "campaign.outcome_event": (campaign.outcome_event, declared.outcome.event_type),
        "campaign.outcome_window_days": (
            campaign.outcome_window_days,
            declared.outcome.window_days,
        ),
    }
    for key, (ours, theirs) in pairs.items():
        if ours != theirs:
            yield f"{key} is {ours!r} in the campaign, but {theirs!r} in the scenario; agree on one"


def _path_problems(config: Config, directory: Path) -> Iterator[str]:
    """Where the next job would not read what this one writes."""
    raw = config.inputs.raw
    for table in ("assignments", "events", "customers"):
        read = Path(getattr(raw, table)) if raw is not None else None
        if read != directory / table:
            yield f"inputs.raw.{table} is {read}, the simulated one is {directory / table}; set it"
    if raw is not None and raw.format != "parquet":
        yield f"inputs.raw.format is {raw.format!r}, simulated logs are 'parquet'; set it"


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_plain_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
