"""How often intervals of 95 % hold the truth, rows drawn one by one and households together.

The small version shares its logs among all metrics and asks for the level within three standard
errors of the simulation; the long one asks for 93 to 97 %.
"""

import math
from collections import defaultdict

import numpy as np
import pytest

from uplift.evaluation import metrics
from uplift.evaluation.calibration import average_error, best_linear_predictor
from uplift.evaluation.jackknife import Metric, jackknife
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums
from uplift.evaluation.resampling import Floats
from uplift.evaluation.scores import arm_scores
from uplift.evaluation.spend_curve import gain_at_spend, spend_sums
from uplift.evaluation.uncertainty import Estimate, from_replicates

LEVEL, BLOCKS, CHANCE = 0.95, 100, 0.4


def slope(sums: RankedSums, treatment: int) -> Floats:
    return best_linear_predictor(sums, treatment).slope


def top_third(sums: RankedSums, treatment: int) -> Floats:
    return metrics.uplift_at(sums, treatment, 0.3)


def best_bin(sums: RankedSums, treatment: int) -> Floats:
    return metrics.uplift_by_bin(sums, treatment, bins=5).uplift[:, 0]


# Prediction x uniform on (0, 1), effect x: closed forms.
TRUTH: dict[str, tuple[Metric, float]] = {
    "ate": (metrics.ate, 1 / 2),
    "autoc": (metrics.autoc, 1 / 4),
    "rate_qini": (metrics.rate_qini, 1 / 12),
    "uplift_at": (top_third, 0.85),
    "best_bin": (best_bin, 0.9),
    "slope": (slope, 1.0),
    "average_error": (average_error, 0.0),
}


def holds(found: Estimate, truth: float) -> bool:
    return found.low <= truth <= found.high


def coverage(*, logs: int, units: int, size: int, replicates: int, seed: int) -> dict[str, float]:
    """Share of logs whose interval holds the truth, by metric and kind of interval.

    A household of ``size`` shares its arm, a shock to its level, and one to its effect.
    """
    rng = np.random.default_rng(seed)
    hits: defaultdict[str, int] = defaultdict(int)
    n = units * size
    unit = np.repeat(np.arange(units), size)
    keys = unit.astype(np.uint64)
    for log in range(logs):
        x = rng.uniform(size=n)
        arm = (rng.uniform(size=units) < CHANCE).astype(int)[unit]
        shared = rng.normal(0, 0.7, (2, units)) * (size > 1)
        outcome = 2 + arm * (x + shared[0, unit]) + shared[1, unit] + rng.normal(size=n)
        propensity = np.where(arm == 1, CHANCE, 1 - CHANCE)
        rows = (x, arm, outcome)
        draw = {"keys": keys, "replicates": replicates, "seed": log}
        sums = ranked_sums(*rows, n_arms=2, weight=1 / propensity, max_blocks=BLOCKS, **draw)
        for name, (metric, truth) in TRUTH.items():
            hits[name] += holds(from_replicates(metric(sums, 1), level=LEVEL), truth)
            closed = jackknife(
                metric, sums, 1, *rows, weight=1 / propensity, keys=keys, level=LEVEL
            )
            hits[f"{name}, closed form"] += holds(closed, truth)
        # A coupon of 1 euro for everybody, best first: 0.3 euro a head buy the top 30 %.
        spent = spend_sums(
            np.arange(n),
            np.ones(n, dtype=int),
            x,
            np.ones(n),
            arm_scores(arm, outcome, propensity, n_arms=2),
            max_blocks=BLOCKS,
            **draw,
        )
        found = from_replicates(gain_at_spend(spent, 0.3), level=LEVEL)
        hits["gain at spend"] += holds(found, 0.3 * 0.85)
    return {name: count / logs for name, count in hits.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("units", "size"), [(600, 1), (250, 4)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(units: int, size: int) -> None:
    logs = 120
    found = coverage(logs=logs, units=units, size=size, replicates=100, seed=1)
    error = math.sqrt(LEVEL * (1 - LEVEL) / logs)
    for name, share in found.items():
        assert share > LEVEL - 3.5 * error, name


@pytest.mark.long
@pytest.mark.parametrize(("units", "size"), [(2000, 1), (800, 4)])
def test_intervals_of_95_percent_hold_the_truth_in_93_to_97_of_100_logs(
    units: int, size: int
) -> None:
    found = coverage(logs=2000, units=units, size=size, replicates=200, seed=2)
    for name, share in found.items():
        assert 0.93 <= share <= 0.97, f"{name}: {share}"
