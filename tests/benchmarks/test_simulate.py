"""What the causal model costs: a simulated log against the same rows written from memory."""

from pathlib import Path

from tests.benchmarks.conftest import Bench
from tests.conftest import ROOT
from uplift.experiment.simulate import UNITS_PER_BLOCK, load_scenario, simulate_block, write_log
from uplift.experiment.simulate.log import TABLES, write_block

N_BLOCKS = 2


def test_writing_a_simulated_log(bench: Bench, tmp_path: Path) -> None:
    scenario = load_scenario(ROOT / "conf" / "simulate" / "retailer.yaml")
    blocks = [
        simulate_block(scenario, seed=1, block=number, n_units=UNITS_PER_BLOCK)
        for number in range(N_BLOCKS)
    ]
    n_events = sum(block.events.num_rows for block in blocks)
    n_units = N_BLOCKS * UNITS_PER_BLOCK
    for table in TABLES:
        (tmp_path / "memory" / table).mkdir(parents=True)

    def write_from_memory() -> None:
        for number, block in enumerate(blocks):
            write_block(block, tmp_path / "memory", number)

    ours = bench.best(
        lambda: write_log(scenario, tmp_path / "simulated", n_units=n_units, seed=1), repeats=3
    )
    floor = ("pyarrow, the same rows from memory", 1e9 * bench.best(write_from_memory) / n_events)
    bench.row(
        f"simulate and write {n_events:,} events",
        ours=1e9 * ours / n_events,
        unit="ns/event",
        peer=floor,
        floor=floor,
    )
