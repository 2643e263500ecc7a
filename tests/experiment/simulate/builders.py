"""A small world to test with: one trait, one number, one coupon, one outcome."""

from collections.abc import Mapping

import numpy as np

from uplift.experiment.simulate import Scenario, scenario_from
from uplift.experiment.simulate.formula import World
from uplift.experiment.simulate.noise import Noise

Document = dict[str, object]


def document(**changes: object) -> Document:
    """The small world's YAML as Python reads it, whole sections replaced by ``changes``."""
    small: Document = {
        "assignment": {
            "experiment_id": "small",
            "starts_at": "2026-01-01",
            "days": 10,
            "arms": {"nothing": 1, "coupon": 3},
            "confounded_by": "taste",
            "sleeping_dogs_by": "taste",
        },
        "nodes": nodes(),
        "customers": {"taste": {"node": "taste"}, "channel": {"node": "channel"}},
        "events": [{"type": "visit", "count": "visits", "days": [-30, 0]}],
        "outcome": {
            "spend": {
                "chance": {"intercept": -1, "terms": {"taste": 1, "pull": 1, "irritation": -1}},
                "log_mean": {"intercept": 3},
                "log_sd": 0.5,
            },
            "event_type": "purchase",
            "redeemed_event_type": "redeemed",
            "window_days": 14,
        },
        "log_ends_at": "2026-02-01",
    }
    return small | changes


def nodes(**changes: object) -> Document:
    """The small world's nodes, with some added or replaced."""
    return {
        "taste": {"kind": "linear", "sd": 1},
        "channel": {"kind": "category", "shares": {"web": 1, "app": 2}},
        "visits": {"kind": "count", "intercept": 1},
        "pull": {"kind": "table", "by": ["arm"], "entries": {"nothing": 0, "coupon": 0.7}},
    } | changes


def small_scenario(**changes: object) -> Scenario:
    """The small world, checked."""
    return scenario_from(document(**changes), source="small.yaml")


def world_of(
    levels: Mapping[str, tuple[str, ...]] | None = None, *, seed: int = 0, **values: list[float]
) -> World:
    """A handmade world; a category is given by the positions of its levels."""
    n = len(next(iter(values.values())))
    arrays = {name: np.array(value, dtype=float) for name, value in values.items()}
    return World(arrays, levels or {}, Noise(seed, block=0, n=n))
