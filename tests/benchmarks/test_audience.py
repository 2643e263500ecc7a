"""Audiences of a large run: counted, previewed and written, beside DuckDB alone and pandas.

``UPLIFT_BENCH_CUSTOMERS`` sets how many customers the run has (1,000,000).
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.benchmarks.conftest import Bench
from uplift.audience.export import preview, write_export
from uplift.audience.manifest import Facts
from uplift.audience.snapshot import Snapshot, publish, staging_folder
from uplift.audience.source import Source
from uplift.config import Audience, Export, Order, Range
from uplift.policy import SEGMENTS

N = int(os.environ.get("UPLIFT_BENCH_CUSTOMERS", "1000000"))
AT = datetime(2026, 6, 1, tzinfo=UTC)
ARMS = ("no_coupon", "coupon_5", "coupon_10")
SLICE = 250_000
EVERYBODY = Order(audience=Audience())


def slices(n: int) -> Iterator[pa.Table]:
    """The published columns, best customers first."""
    rng = np.random.default_rng(1)
    for start in range(0, n, SLICE):
        size = min(SLICE, n - start)
        net_value = np.linspace(10.0 - 20.0 * start / n, 10.0 - 20.0 * (start + size) / n, size)
        columns: dict[str, object] = {
            "unit_id": [f"customer-{i:09d}" for i in range(start, start + size)],
            "segment": [SEGMENTS[min(4 * start // n, 3)]] * size,
            "decile": np.full(size, 1 + 10 * start // n, dtype=np.int32),
            "net_value_eur": net_value,
            "best_coupon": np.where(net_value > 0, "coupon_5", None),
            "decision": np.where(net_value > 2, "coupon_5", "no_coupon"),
            "reason": np.where(net_value > 2, "net_value", "below_threshold"),
            "decision_propensity": np.full(size, 0.98),
            "contactable": np.ones(size, dtype=bool),
        }
        per_arm = {"conversion": ARMS, "uplift": ARMS[1:], "gain_eur": ARMS[1:]}
        for what, arms in {**per_arm, "cost_eur": ARMS[1:]}.items():
            columns |= {f"{what}_{arm}": rng.random(size) for arm in arms}
        columns["as_of"] = pa.array([AT] * size, pa.timestamp("us", "UTC"))
        columns |= {"model_version": ["0123456789ab"] * size, "policy_version": ["ab"] * size}
        yield pa.table(columns)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    root = tmp_path_factory.mktemp("published")
    with staging_folder(root) as folder:
        (folder / "scores").mkdir()
        for number, table in enumerate(slices(N)):
            pq.write_table(table, folder / "scores" / f"part-{number:05d}.parquet")
        return publish(root, folder, Facts("coupon", AT, "", "", ARMS, {}, {}, {}))


def files(snapshot: Snapshot) -> str:
    return f"read_parquet({[str(path) for path in snapshot.scores]})"


def export(snapshot: Snapshot, folder: Path) -> int:
    written = write_export(
        Source(snapshot), EVERYBODY, folder, rules=Export(orders=()), by="bench", at=AT
    )
    return written.rows


def test_a_preview(bench: Bench, snapshot: Snapshot, tmp_path: Path) -> None:
    order = Order(audience=Audience(segments=("persuadable",), net_value_eur=Range(min=1)))
    bench.row(
        f"preview an audience of {N:,} customers",
        ours=bench.best(lambda: preview(Source(snapshot), order, tmp_path), repeats=3),
        unit="s",
        peer=("target", 1.0),
        target=1.0,
    )


def test_a_csv_export(bench: Bench, snapshot: Snapshot, tmp_path: Path) -> None:
    def copy() -> None:
        with duckdb.connect() as connection:
            query = (
                f"SELECT * EXCLUDE (as_of, model_version, policy_version) FROM {files(snapshot)}"
            )
            connection.execute(f"COPY ({query}) TO '{tmp_path / 'floor.csv'}' (HEADER)")

    def by_pandas() -> None:
        table = pq.read_table(snapshot.folder / "scores")
        table.drop(["as_of"]).to_pandas().to_csv(tmp_path / "peer.csv", index=False)

    start = time.perf_counter()
    by_pandas()
    peer = time.perf_counter() - start
    bench.row(
        f"export {N:,} customers as guarded CSV, with members, counts and checksum",
        ours=bench.best(lambda: export(snapshot, tmp_path), repeats=3),
        unit="s",
        peer=("pandas to_csv", peer),
        floor=("DuckDB COPY", bench.best(copy, repeats=3)),
        target=5.0,
    )


ALONE = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from uplift.audience.export import write_export
from uplift.audience.snapshot import current
from uplift.audience.source import Source
from uplift.config import Export, Order

root = Path(sys.argv[1])
write_export(
    Source(current(root)), Order(), root / "exports",
    rules=Export(orders=()), by="bench", at=datetime.now(UTC),
)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_memory_of_an_export(bench: Bench, snapshot: Snapshot) -> None:
    """The whole process; a third of it is the interpreter with its libraries."""
    command = [sys.executable, "-c", ALONE, str(snapshot.folder.parent.parent)]
    found = subprocess.run(command, capture_output=True, check=True, text=True)
    bench.row(
        f"memory of that export of {N:,} customers, the whole process",
        ours=float(found.stdout),
        unit="MB",
        peer=("the table alone in pandas", _pandas_megabytes(snapshot)),
    )


def _pandas_megabytes(snapshot: Snapshot) -> float:
    frame: pd.DataFrame = pq.read_table(snapshot.folder / "scores").to_pandas()
    return float(frame.memory_usage(deep=True).sum()) / 2**20
