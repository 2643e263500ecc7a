"""One night from running totals against the whole history; UPLIFT_BENCH_EVENTS sets its size.

A night is a dozen small Spark jobs, whatever the history: below ten million events their fixed cost
is most of it, so the target counts from there.
"""

import os
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tests.benchmarks.conftest import Bench
from tests.spark.daily.builders import trust
from uplift.config import EventFeature, Features, RawInputs
from uplift.features.spec import event_columns, feature_columns
from uplift.spark.customer_features import customer_features, start_of
from uplift.spark.daily.demand import demand_of
from uplift.spark.daily.finish import customer_features_from_totals
from uplift.spark.daily.fold import fold_events
from uplift.spark.daily.ledger import day_number
from uplift.spark.daily.night import bring_totals
from uplift.spark.daily.store import DailyStore
from uplift.spark.event_features import DAY_US, feature_summaries
from uplift.spark.inputs import read_events

N_EVENTS = int(os.environ.get("UPLIFT_BENCH_EVENTS", "3000000"))
N_UNITS, N_DAYS = N_EVENTS // 60, 366
FIRST = date(2025, 1, 1)
FEATURES = Features(
    events=(
        EventFeature(event_type="visit", aggregates=("count", "recency"), window_days=(7, 30, 90)),
        EventFeature(
            event_type="purchase",
            aggregates=("count", "sum", "mean", "max", "recency"),
            window_days=(30, 90, 365),
        ),
        EventFeature(event_type="coupon_redeemed", aggregates=("count",), window_days=(90,)),
    )
)
SUMMARIES = feature_summaries(event_columns(FEATURES))
DEMAND = demand_of(SUMMARIES)
NAMES = [column.name for column in feature_columns(FEATURES)]


def write_day(folder: Path, number: int, ids: np.ndarray) -> None:
    """The events of one day in a file of their own, a few of the day before among them."""
    rng = np.random.default_rng(number)
    n = N_EVENTS // N_DAYS
    kinds = np.array(["visit", "purchase", "coupon_redeemed"])[
        rng.choice(3, n, p=[0.7, 0.25, 0.05])
    ]
    late = rng.random(n) < 0.01
    at = np.datetime64(FIRST, "us") + (number - late) * DAY_US + rng.integers(0, DAY_US, n)
    table = {
        "unit_id": ids[rng.integers(0, len(ids), n)],
        "event_type": kinds,
        "event_at": pa.array(at, pa.timestamp("us", "UTC")),
        "value": pa.array(np.round(rng.gamma(2.0, 20.0, n), 2), mask=kinds != "purchase"),
    }
    pq.write_table(pa.table(table), folder / f"{number:03d}.parquet")


def a_source(root: Path) -> tuple[RawInputs, np.ndarray]:
    """An empty folder of events, and the customers."""
    ids = np.array([f"u{i:07d}" for i in range(N_UNITS)])
    (root / "events").mkdir(parents=True)
    customers = root / "customers.parquet"
    pq.write_table(pa.table({"unit_id": ids}), customers)
    raw = RawInputs(assignments="-", events=str(root / "events"), customers=str(customers))
    return raw, ids


def warm_up(spark: SparkSession, root: Path, ids: np.ndarray) -> None:
    """Both ways once, on a source of one day."""
    raw, _ = a_source(root / "small")
    write_day(root / "small/events", 0, ids)
    tomorrow = FIRST + timedelta(days=1)
    by_night(spark, raw, DailyStore(root / "small/daily"), tomorrow).count()
    from_raw(spark, raw, tomorrow).count()


def by_night(spark: SparkSession, raw: RawInputs, store: DailyStore, as_of: date) -> DataFrame:
    ledger = fold_events(spark, raw, store, judge=trust).ledger
    totals, _ = bring_totals(spark, store, ledger.parts, demand=DEMAND, until=day_number(as_of))
    return customer_features_from_totals(
        customers(spark, raw), totals, features=FEATURES, demand=DEMAND, as_of=start_of(as_of)
    )


def from_raw(spark: SparkSession, raw: RawInputs, as_of: date) -> DataFrame:
    events = read_events(spark, raw).rows
    return customer_features(
        customers(spark, raw), events, features=FEATURES, as_of=start_of(as_of)
    )


def customers(spark: SparkSession, raw: RawInputs) -> DataFrame:
    return spark.read.parquet(raw.customers).withColumn("contactable", F.lit(True))


def seconds(call: Callable[[], DataFrame], to: Path) -> float:
    start = time.perf_counter()
    call().write.mode("overwrite").parquet(str(to))
    return time.perf_counter() - start


def features_in(path: Path) -> np.ndarray:
    """Units in name order, null as NaN."""
    table = pq.read_table(path).sort_by("unit_id")
    return np.column_stack([table[name].to_numpy() for name in NAMES])


def test_a_night_after_a_year_of_history(bench: Bench, spark: SparkSession, tmp_path: Path) -> None:
    raw, ids = a_source(tmp_path)
    for number in range(N_DAYS - 2):
        write_day(tmp_path / "events", number, ids)
    warm_up(spark, tmp_path, ids)
    store = DailyStore(tmp_path / "daily")
    start = time.perf_counter()
    fold_events(spark, raw, store, judge=trust)
    fold_all = time.perf_counter() - start
    by_night(spark, raw, store, FIRST + timedelta(days=N_DAYS - 2))
    nights = []
    for number in (N_DAYS - 2, N_DAYS - 1):  # the first one warms up
        write_day(tmp_path / "events", number, ids)
        as_of = FIRST + timedelta(days=number + 1)
        tonight = partial(by_night, spark, raw, store, as_of)
        nights.append(seconds(tonight, tmp_path / "ours"))
    features_raw = seconds(lambda: from_raw(spark, raw, as_of), tmp_path / "raw")

    size = f"{N_EVENTS / 1e6:g}M events, {N_UNITS:,} customers"
    bench.row(
        f"a night after a year: {size}",
        ours=nights[-1],
        unit="s",
        peer=("fold everything + features from raw", fold_all + features_raw),
        target=10 if N_EVENTS >= 10_000_000 else None,
    )
    bench.row(
        f"the same against features from raw alone: {size}",
        ours=nights[-1],
        unit="s",
        peer=("features from raw", features_raw),
    )
    assert np.array_equal(*map(features_in, [tmp_path / "ours", tmp_path / "raw"]), equal_nan=True)
