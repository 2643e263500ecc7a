import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OrdinalEncoder

from tests.benchmarks.conftest import Bench
from tests.conftest import ROOT
from uplift.config import EventFeature, Features
from uplift.features.encoder import fit_encoder
from uplift.features.spec import EventColumn, FeatureColumn, event_columns
from uplift.spark.event_features import DAY_US, add_event_summaries, feature_summaries

SIZES = [1_000_000, 10_000_000]
if os.environ.get("UPLIFT_BENCH_LARGE") == "1":
    SIZES.append(30_000_000)
EVENTS_PER_UNIT, EVENTS_PER_FILE = 20, 500_000
FEATURES = Features(
    events=(
        EventFeature(event_type="visit", aggregates=("count", "recency"), window_days=(7, 30, 90)),
        EventFeature(
            event_type="purchase",
            aggregates=("count", "sum", "mean", "recency"),
            window_days=(30, 90),
        ),
        EventFeature(event_type="coupon_redeemed", aggregates=("count",), window_days=(90,)),
    )
)
DECLARED = event_columns(FEATURES)


def write_log(root: Path, n_events: int, *, bot_share: float = 0.0) -> Path:
    """Units assigned in April, events from January to May, a share of them from one unit."""
    rng = np.random.default_rng(1)
    n_units = n_events // EVENTS_PER_UNIT
    ids = pa.array(np.char.add("u", np.char.zfill(np.arange(n_units).astype(str), 8)))
    utc = pa.timestamp("us", "UTC")
    january = np.datetime64("2026-01-01", "us")
    assigned = january + rng.integers(90 * DAY_US, 120 * DAY_US, n_units).astype("m8[us]")
    (root / "events").mkdir(parents=True)
    units = {"unit_id": ids, "assigned_at": pa.array(assigned, utc)}
    pq.write_table(pa.table(units), root / "units.parquet")
    kinds = pa.array(["visit", "purchase", "coupon_redeemed"])
    for number in range(n_events // EVENTS_PER_FILE):
        n = EVENTS_PER_FILE
        unit = np.where(rng.random(n) < bot_share, 0, rng.integers(0, n_units, n))
        kind = rng.choice(3, n, p=[0.7, 0.25, 0.05])
        at = january + rng.integers(0, 150 * DAY_US, n).astype("m8[us]")
        table = {
            "unit_id": ids.take(pa.array(unit)),
            "event_type": kinds.take(pa.array(kind)),
            "event_at": pa.array(at, utc),
            "value": pa.array(np.round(rng.gamma(2.0, 20.0, n), 2), mask=kind != 1),
        }
        pq.write_table(pa.table(table), root / f"events/part-{number}.parquet")
    return root


@pytest.fixture
def log(tmp_path: Path, n_events: int) -> Path:
    return write_log(tmp_path / "log", n_events)


def by_spark(spark: SparkSession, log: Path, to: Path) -> None:
    units = spark.read.parquet(str(log / "units.parquet"))
    events = spark.read.parquet(str(log / "events"))
    frame = add_event_summaries(units, events, feature_summaries(DECLARED), as_of="assigned_at")
    frame.write.mode("overwrite").parquet(str(to))


def sql_of(column: EventColumn) -> str:
    calls = {"count": "count(*)", "sum": "sum(value)", "mean": "avg(value)", "recency": "min(age)"}
    inside = f"event_type = '{column.event_type}' and age <= {column.window_days * DAY_US}"
    silent = 0 if column.aggregate in ("count", "sum") else "null"
    unit = DAY_US if column.aggregate == "recency" else 1
    call = f"{calls[column.aggregate]} filter (where {inside})"
    return f'coalesce({call}, {silent})::double / {unit} as "{column.name}"'


def by_duckdb(connection: duckdb.DuckDBPyConnection, log: Path, to: Path) -> None:
    connection.execute(
        f"""
        copy (
            select units.unit_id, assigned_at, {", ".join(map(sql_of, DECLARED))}
            from '{log}/units.parquet' units
            left join (
                select unit_id, event_type, value,
                       epoch_us(assigned_at) - epoch_us(event_at) as age
                from '{log}/events/*.parquet' join '{log}/units.parquet' using (unit_id)
                where age > 0
            ) seen on seen.unit_id = units.unit_id
            group by all
        ) to '{to}' (format parquet)
        """
    )


def features_in(path: Path) -> np.ndarray:
    """Units in name order, null as NaN."""
    table = pq.read_table(path).sort_by("unit_id")
    return np.column_stack([table[column.name].to_numpy() for column in DECLARED])


def by_pandas(log: Path, to: Path) -> None:
    events = pd.read_parquet(log / "events")
    units = pd.read_parquet(log / "units.parquet").set_index("unit_id")
    events["age"] = events["unit_id"].map(units["assigned_at"]) - events["event_at"]
    events = events[events["age"] > pd.Timedelta(0)]
    for column in DECLARED:
        inside = (events["event_type"] == column.event_type) & (
            events["age"] <= pd.Timedelta(days=column.window_days)
        )
        grouped = events[inside].groupby("unit_id")
        match column.aggregate:
            case "count":
                units[column.name] = grouped.size()
            case "recency":
                units[column.name] = grouped["age"].min() / pd.Timedelta(days=1)
            case aggregate:
                units[column.name] = grouped["value"].agg(aggregate)
        if column.aggregate in ("count", "sum"):
            units[column.name] = units[column.name].fillna(0.0)
    units.reset_index().to_parquet(to)


@pytest.mark.parametrize("n_events", SIZES)
def test_the_features_of_many_events(
    bench: Bench, spark: SparkSession, log: Path, tmp_path: Path, n_events: int
) -> None:
    ours, theirs, frame = (tmp_path / name for name in ("ours", "theirs.parquet", "pandas.parquet"))
    connection = duckdb.connect(config={"threads": 2})
    seconds, peer = in_turn(
        lambda: by_spark(spark, log, ours), lambda: by_duckdb(connection, log, theirs)
    )
    floor = bench.best(lambda: read_all(spark, log).collect(), repeats=1)
    np.testing.assert_allclose(features_in(ours), features_in(theirs), rtol=1e-12)
    jvm_gib, worker_gib = peak_memory(spark)
    rate = f"{n_events / seconds:,.0f} events/s"
    name = f"features: {len(DECLARED)} of {n_events:,} events, {rate}"
    bench.row(
        name,
        ours=seconds,
        unit="s",
        peer=("DuckDB, the same SQL", peer),
        floor=("Spark reads every column", floor),
        target=0.25 if n_events >= 10_000_000 else None,
    )
    if n_events <= 1_000_000:
        by_hand = bench.best(lambda: by_pandas(log, frame), repeats=1)
        np.testing.assert_allclose(features_in(frame), features_in(theirs), rtol=1e-12)
        bench.row(name, ours=seconds, unit="s", peer=("pandas", by_hand))
    bench.row(
        f"memory for {n_events:,} events: JVM {jvm_gib:.1f} GiB, workers {worker_gib:.2f} each",
        ours=jvm_gib + 2 * worker_gib,
        unit="GiB",
        peer=("pandas", memory_of_pandas(log, frame)),
    )


def test_one_customer_with_a_hundredth_of_all_events(
    bench: Bench, spark: SparkSession, tmp_path: Path
) -> None:
    n_events = 2_000_000
    even = write_log(tmp_path / "even", n_events)
    skewed = write_log(tmp_path / "skewed", n_events, bot_share=0.01)
    with_bot, without = in_turn(
        lambda: by_spark(spark, skewed, tmp_path / "a"),
        lambda: by_spark(spark, even, tmp_path / "b"),
    )
    bench.row(
        f"features of {n_events:,} events, 1 % of them from one customer",
        ours=with_bot,
        unit="s",
        peer=("the same without that customer", without),
        target=0.9,
    )


def in_turn(*calls: Callable[[], object], repeats: int = 3) -> list[float]:
    """Least seconds of each, after a warm-up, called alternately: a busy machine hits all alike."""
    for call in calls:
        call()
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, found in zip(calls, seconds, strict=True):
            start = time.perf_counter()
            call()
            found.append(time.perf_counter() - start)
    return [min(found) for found in seconds]


def peak_memory(spark: SparkSession) -> tuple[float, float]:
    """The most memory, in GiB, that the JVM, and that any of its Python workers, has had."""
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    pid = str(jvm.java.lang.ProcessHandle.current().pid())
    status = {
        path.parent.name: dict(line.split(":\t") for line in path.read_text().splitlines())
        for path in Path("/proc").glob("[0-9]*/status")
    }
    daemons = {child for child, facts in status.items() if facts["PPid"] == pid}
    workers = [child for child, facts in status.items() if facts["PPid"] in daemons]
    peaks = {child: int(status[child]["VmHWM"].split()[0]) / 2**20 for child in (pid, *workers)}
    return peaks[pid], max((peaks[worker] for worker in workers), default=0.0)


def memory_of_pandas(log: Path, to: Path) -> float:
    """The most memory, in GiB, that pandas takes in a process of its own."""
    script = (
        "import resource, sys; from pathlib import Path;"
        "from tests.benchmarks.test_features import by_pandas;"
        "by_pandas(Path(sys.argv[1]), Path(sys.argv[2]));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)"
    )
    command = [sys.executable, "-c", script, str(log), str(to)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def read_all(spark: SparkSession, log: Path) -> DataFrame:
    events = spark.read.parquet(str(log / "events"))
    return events.select(F.sum(F.xxhash64(*events.columns).cast("decimal(38,0)")))


def test_the_row_of_one_request(bench: Bench) -> None:
    numeric = [FeatureColumn(f"n{i}", "numeric") for i in range(16)]
    categorical = [FeatureColumn(f"c{i}", "categorical") for i in range(4)]
    names = [column.name for column in categorical]
    levels = [f"level-{i}" for i in range(20)]
    ours = fit_encoder(numeric + categorical, dict.fromkeys(names, levels))
    peer = ColumnTransformer(
        [("categorical", OrdinalEncoder(), names)], remainder="passthrough"
    ).fit(pd.DataFrame({name: [1.5] * 20 for name in ours.names} | dict.fromkeys(names, levels)))
    values: dict[str, object] = dict.fromkeys(ours.names, 1.5) | dict.fromkeys(names, "level-7")
    bench.row(
        "encode one request of 20 features",
        ours=microseconds(bench, lambda: ours.encode_one(values), calls=10_000),
        unit="us",
        peer=(
            "scikit-learn ColumnTransformer",
            microseconds(bench, lambda: peer.transform(pd.DataFrame([values])), calls=20),
        ),
        floor=(
            "numpy array of 20 floats",
            microseconds(bench, lambda: np.array([[1.5] * 20]), calls=10_000),
        ),
        target=50,
    )


def microseconds(bench: Bench, call: Callable[[], object], *, calls: int) -> float:
    def repeat() -> None:
        for _ in range(calls):
            call()

    return bench.best(repeat, repeats=3) / calls * 1e6
