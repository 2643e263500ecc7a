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
from uplift.config import EventFeature, Features
from uplift.features.encoder import fit_encoder
from uplift.features.spec import EventColumn, FeatureColumn, event_columns
from uplift.spark.event_features import DAY_US, add_event_summaries, feature_summaries

N_EVENTS, N_UNITS, N_FILES = 1_000_000, 50_000, 4
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


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Units assigned in April and events from January to May."""
    root = tmp_path_factory.mktemp("log")
    rng = np.random.default_rng(1)
    ids = np.array([f"u{i:06d}" for i in range(N_UNITS)])
    utc = pa.timestamp("us", "UTC")
    january = np.datetime64("2026-01-01", "us")
    assigned = january + rng.integers(90 * DAY_US, 120 * DAY_US, N_UNITS).astype("m8[us]")
    pq.write_table(
        pa.table({"unit_id": ids, "assigned_at": pa.array(assigned, utc)}), root / "units.parquet"
    )
    (root / "events").mkdir()
    for number in range(N_FILES):
        n = N_EVENTS // N_FILES
        kinds = np.array(["visit", "purchase", "coupon_redeemed"])[
            rng.choice(3, n, p=[0.7, 0.25, 0.05])
        ]
        at = january + rng.integers(0, 150 * DAY_US, n).astype("m8[us]")
        value = pa.array(np.round(rng.gamma(2.0, 20.0, n), 2), mask=kinds != "purchase")
        table = {
            "unit_id": ids[rng.integers(0, N_UNITS, n)],
            "event_type": kinds,
            "event_at": pa.array(at, utc),
            "value": value,
        }
        pq.write_table(pa.table(table), root / f"events/part-{number}.parquet")
    return root


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


def test_the_features_of_a_million_events(
    bench: Bench, spark: SparkSession, log: Path, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs.parquet"
    connection = duckdb.connect(config={"threads": 2})
    seconds = bench.best(lambda: by_spark(spark, log, ours), repeats=3)
    peer = bench.best(lambda: by_duckdb(connection, log, theirs), repeats=3)
    floor = bench.best(lambda: read_all(spark, log).collect(), repeats=3)
    np.testing.assert_allclose(features_in(ours), features_in(theirs), rtol=1e-12)
    bench.row(
        f"features: {len(DECLARED)} of {N_EVENTS:,} events, {N_EVENTS / seconds:,.0f} events/s",
        ours=seconds,
        unit="s",
        peer=("DuckDB, the same SQL", peer),
        floor=("Spark reads every column", floor),
    )


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
