import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.experiment.simulate.builders import small_scenario
from uplift.errors import ConfigError
from uplift.experiment.simulate import UNITS_PER_BLOCK, LogCounts, simulate_block, write_log

USUAL = pa.default_memory_pool()
WATCHED = pa.proxy_memory_pool(USUAL)  # outlives whatever is allocated in it
TABLES = {"assignments", "events", "customers", "truth"}


def content(directory: Path) -> dict[str, bytes]:
    """Every file below a folder, by its name there."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_a_log_holds_its_blocks_one_after_the_other(tmp_path: Path) -> None:
    scenario, n = small_scenario(), UNITS_PER_BLOCK + 7
    counts = write_log(scenario, tmp_path, n_units=n, seed=4)
    blocks = [
        simulate_block(scenario, seed=4, block=number, n_units=size)
        for number, size in enumerate([UNITS_PER_BLOCK, 7])
    ]
    assert counts == LogCounts(n, sum(block.events.num_rows for block in blocks), blocks=2)
    for number, block in enumerate(blocks):
        for table in TABLES:
            read = pq.read_table(tmp_path / table / f"part-{number:05d}.parquet")
            assert read.equals(getattr(block, table))


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_log(small_scenario(), tmp_path / name, n_units=200, seed=seed)
    same, again, other = (content(tmp_path / name) for name in "abc")
    assert same == again
    assert same != other


def test_a_new_log_replaces_the_old_one_and_leaves_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "part-00009.parquet").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".simulating" / "half").mkdir(parents=True)
    write_log(small_scenario(), tmp_path, n_units=10, seed=1)
    parts = {f"{table}/part-00000.parquet" for table in TABLES}
    assert content(tmp_path).keys() == parts | {"notes.txt"}


def test_a_log_that_fails_leaves_the_old_one_standing(tmp_path: Path) -> None:
    write_log(small_scenario(), tmp_path, n_units=10, seed=1)
    before = content(tmp_path)
    with pytest.raises(ConfigError):
        write_log(small_scenario(), tmp_path, n_units=10, seed=-1)
    assert content(tmp_path) == before


@pytest.mark.parametrize("n", [0, -5])
def test_an_empty_log_is_refused(tmp_path: Path, n: int) -> None:
    with pytest.raises(ConfigError, match=f"n_units = {n}: a log needs 1 customer or more"):
        write_log(small_scenario(), tmp_path, n_units=n, seed=1)


@pytest.mark.slow
def test_four_blocks_take_no_more_memory_than_one(tmp_path: Path) -> None:
    peaks = [peak_bytes(tmp_path, n_blocks) for n_blocks in (1, 4)]
    assert peaks[1] < 1.1 * peaks[0]


def peak_bytes(directory: Path, n_blocks: int) -> int:
    """The most that Python and Arrow held at once while a log was written."""
    tracemalloc.start()
    pa.set_memory_pool(WATCHED)
    try:
        write_log(small_scenario(), directory, n_units=n_blocks * UNITS_PER_BLOCK, seed=1)
        return tracemalloc.get_traced_memory()[1] + WATCHED.max_memory()
    finally:
        pa.set_memory_pool(USUAL)
        tracemalloc.stop()
