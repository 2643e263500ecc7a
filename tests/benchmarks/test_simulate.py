"""What the causal model costs: a simulated log against the same rows written from memory."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.conftest import Bench
from tests.conftest import ROOT
from uplift.experiment.simulate import UNITS_PER_BLOCK, load_scenario, simulate_block, write_log

N_BLOCKS = 2
TABLES = ("assignments", "events", "customers", "truth")


def test_writing_a_simulated_log(bench: Bench, tmp_path: Path) -> None:
    scenario = load_scenario(ROOT / "conf" / "simulate" / "retailer.yaml")
    n_units = N_BLOCKS * UNITS_PER_BLOCK
    counts = write_log(scenario, tmp_path / "simulated", n_units=n_units, seed=1)
    blocks = [
        simulate_block(scenario, seed=1, block=number, n_units=UNITS_PER_BLOCK)
        for number in range(N_BLOCKS)
    ]
    tables = {name: pa.concat_tables([getattr(block, name) for block in blocks]) for name in TABLES}

    def write_from_memory() -> None:
        for name, table in tables.items():
            pq.write_table(table, tmp_path / f"{name}.parquet", compression="zstd")

    ours = bench.best(
        lambda: write_log(scenario, tmp_path / "simulated", n_units=n_units, seed=1), repeats=3
    )
    floor = bench.best(write_from_memory, repeats=3)
    per_event = 1e9 / counts.events
    bench.row(
        f"simulate and write {counts.events:,} events",
        ours=ours * per_event,
        unit="ns/event",
        peer=("pyarrow writing the same rows from memory", floor * per_event),
        floor=("the same", floor * per_event),
    )
