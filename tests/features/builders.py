"""A small campaign with events, for the tests of everything that builds features."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from uplift.config import EventFeature, Features, StaticFeature, load_config
from uplift.features.spec import feature_columns

CONF = Path(__file__).resolve().parents[2] / "conf"
CAMPAIGN = load_config([CONF / "base.yaml", CONF / "campaigns/coupon.yaml"]).campaign
FEATURES = Features(
    static=(
        StaticFeature(name="age", kind="numeric"),
        StaticFeature(name="region", kind="categorical"),
    ),
    events=(
        EventFeature(
            event_type="purchase",
            aggregates=("count", "sum", "mean", "max", "min", "recency"),
            window_days=(7, 30),
        ),
        EventFeature(event_type="visit", aggregates=("count",), window_days=(7,)),
    ),
)
NAMES = [column.name for column in feature_columns(FEATURES)]

ASSIGNMENTS = (
    "unit_id string, experiment_id string, arm int, assigned_at timestamp, propensity double, "
    "cluster_id string"
)
EVENTS = "unit_id string, event_type string, event_at timestamp, value double"
CUSTOMERS = "unit_id string, contactable boolean, age double, region string"

START = datetime(2026, 3, 10, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)

Event = tuple[str, str, datetime, float]


def random_events(rng: np.random.Generator, around: dict[str, datetime], n: int) -> list[Event]:
    """Purchases and visits from 35 days before to 20 days after each unit's time, some at it."""
    events = []
    for unit in rng.choice(list(around), n):
        days = float(rng.uniform(-35, 20)) if rng.random() < 0.95 else 0.0
        kind = str(rng.choice(["purchase", "visit"]))
        value = float(rng.integers(0, 9_999)) / 100
        events.append((str(unit), kind, around[str(unit)] + days * DAY, value))
    return events


ARMS = ("no_coupon", "coupon_5", "coupon_10")


def assignments(*arms: str) -> pa.Table:
    """Units u0, u1, ... with these arms."""
    return pa.table(
        {
            "experiment_id": ["coupon"] * len(arms),
            "unit_id": [f"u{i}" for i in range(len(arms))],
            "arm": list(arms),
            "assigned_at": pa.array([START] * len(arms), pa.timestamp("us", "UTC")),
        }
    )


def write_raw_log(root: Path, **changes: pa.Table) -> Path:
    """Six customers, two per arm, each with a purchase ten days before and one after."""
    units = [f"u{i}" for i in range(6)]
    event_at = [START - 10 * DAY] * 6 + [START + i * 5 * DAY for i in range(6)]
    tables = {
        "assignments": assignments(*ARMS * 2),
        "events": pa.table(
            {
                "unit_id": units * 2,
                "event_type": ["purchase"] * 12,
                "event_at": pa.array(event_at, pa.timestamp("us", "UTC")),
                "value": [float(i) for i in range(12)],
            }
        ),
        "customers": pa.table({"unit_id": units, "age": [30, 40, None, 50, 60, 70]}),
    }
    root.mkdir(parents=True)
    for name, table in {**tables, **changes}.items():
        pq.write_table(table, root / f"{name}.parquet")
    (root / "campaign.yaml").write_text(
        f"""
workspace: {root.parent / "workspace"}
run_date: {(START + timedelta(days=40)).date()}
inputs:
  raw:
    assignments: {root}/assignments.parquet
    events: {root}/events.parquet
    customers: {root}/customers.parquet
features:
  static: [{{name: age, kind: numeric}}]
  events: [{{event_type: purchase, aggregates: [count, sum], window_days: [30]}}]
""",
        encoding="utf-8",
    )
    return root / "campaign.yaml"


def assert_one_sentence(error: str, *parts: str) -> None:
    """Beside log lines, stderr holds one complaint, and it says all of this."""
    complaints = [line for line in error.splitlines() if not line.startswith("{")]
    assert len(complaints) == 1, error
    assert complaints[0].startswith("error: ")
    for part in parts:
        assert part in complaints[0]
