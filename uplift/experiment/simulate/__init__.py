"""Experiment logs from a structural causal model, so that every true effect is known.

    scenario = load_scenario(Path("conf/simulate/retailer.yaml"))
    write_log(scenario.with_knobs(confounding=1.0), directory, n_units=50_000, seed=1)

``draw_population`` asks one block of customers what any arm would have made of them.
"""

from uplift.experiment.simulate.log import LogCounts, write_log
from uplift.experiment.simulate.population import (
    UNITS_PER_BLOCK,
    Population,
    Response,
    draw_population,
)
from uplift.experiment.simulate.scenario import Scenario, load_scenario, scenario_from
from uplift.experiment.simulate.tables import Block, simulate_block

__all__ = [
    "UNITS_PER_BLOCK",
    "Block",
    "LogCounts",
    "Population",
    "Response",
    "Scenario",
    "draw_population",
    "load_scenario",
    "scenario_from",
    "simulate_block",
    "write_log",
]
