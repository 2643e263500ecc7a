"""A small campaign with events, for the tests of everything that builds features."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

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

ASSIGNMENTS = "unit_id string, arm int, assigned_at timestamp, propensity double, cluster_id string"
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
