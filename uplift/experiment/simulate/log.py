"""A simulated log on disk: block after block, so that only the disk bounds its size."""

import shutil
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow.parquet as pq

from uplift import columns
from uplift.errors import ConfigError
from uplift.experiment.simulate.population import UNITS_PER_BLOCK
from uplift.experiment.simulate.scenario import Scenario
from uplift.experiment.simulate.tables import Block, simulate_block

TABLES = tuple(field.name for field in fields(Block))
_TEXT = {  # worth a dictionary; every time and amount differs
    columns.EXPERIMENT_ID,
    columns.UNIT_ID,
    columns.ARM,
    columns.CLUSTER_ID,
    columns.EVENT_TYPE,
}


@dataclass(frozen=True)
class LogCounts:
    """How large a written log is."""

    units: int
    events: int
    blocks: int


def write_log(scenario: Scenario, directory: Path, *, n_units: int, seed: int) -> LogCounts:
    """Write ``assignments``, ``events``, ``customers`` and ``truth`` as Parquet folders.

    One block is in memory at a time. Tables that stand in ``directory`` are replaced once the new
    ones are complete; a killed run leaves the old tables or none, never a mix.

    Raises:
        ConfigError: Less than one customer, or a negative seed.
    """
    if n_units < 1:
        raise ConfigError(f"n_units = {n_units}: a log needs 1 customer or more; see `simulation`.")
    staging = directory / ".simulating"
    shutil.rmtree(staging, ignore_errors=True)
    for table in TABLES:
        (staging / table).mkdir(parents=True)
    events = 0
    sizes = block_sizes(n_units)
    for number, size in enumerate(sizes):
        events += write_block(
            simulate_block(scenario, seed=seed, block=number, n_units=size), staging, number
        )
    for table in TABLES:
        shutil.rmtree(directory / table, ignore_errors=True)
    for table in TABLES:
        (staging / table).rename(directory / table)
    staging.rmdir()
    return LogCounts(units=n_units, events=events, blocks=len(sizes))


def block_sizes(n_units: int) -> list[int]:
    """Customers of each block: all full but the last.

    Examples:
        >>> block_sizes(60_000)
        [25000, 25000, 10000]
    """
    full, rest = divmod(n_units, UNITS_PER_BLOCK)
    return [UNITS_PER_BLOCK] * full + ([rest] if rest else [])


def write_block(block: Block, staging: Path, number: int) -> int:
    """Write one part of each table and return the number of events."""
    for name in TABLES:
        table = getattr(block, name)
        text = [column for column in table.column_names if column in _TEXT]
        path = staging / name / f"part-{number:05d}.parquet"
        pq.write_table(table, path, use_dictionary=text, compression="zstd")
    return int(block.events.num_rows)
