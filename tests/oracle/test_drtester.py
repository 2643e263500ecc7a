"""EconML's DRTester on a log of ours: its numbers as published by a run of it, not by us.

EconML 0.17.0, numpy 2.4.6, ``default_rng(20)``; its evaluations were handed doubly robust scores
made of the true nuisances, and cuts and validation rows are the same rows: ``evaluate_blp``,
``evaluate_cal(n_groups=4)``, ``evaluate_uplift`` by "toc" and "qini". EconML takes the chances as
they were meant, our sums as they came out (Hajek), so the two differ by a part of a standard error.
"""

import numpy as np
import pytest

from uplift.evaluation.calibration import best_linear_predictor, calibrate_effects
from uplift.evaluation.curves import toc_curve, tops
from uplift.evaluation.jackknife import jackknife
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums
from uplift.evaluation.resampling import Floats
from uplift.evaluation.scores import adjusted_outcome

N = 4000
BLP = (1.8879887881233859, 0.21932874436371017)
CAL_R_SQUARED = 0.52899981
TOC = (0.21081719662457216, 0.026030586204303954)
QINI = (0.0783882663938418, 0.00903815524659729)
PERCENTILES = np.linspace(5, 95, 50)

Rows = tuple[Floats, Floats, Floats]


@pytest.fixture(scope="module")
def rows() -> Rows:
    rng = np.random.default_rng(20)
    x = rng.uniform(size=N)
    arm = (rng.uniform(size=N) < 0.5).astype(int)
    mu0 = 1 + x
    outcome = mu0 + arm * x + rng.normal(size=N)
    expected = np.column_stack([mu0, mu0 + x])
    adjusted = adjusted_outcome(outcome, expected, np.full((N, 2), 0.5), 1)
    return 0.2 + 0.5 * x, arm, adjusted


@pytest.fixture(scope="module")
def sums(rows: Rows) -> RankedSums:
    return ranked_sums(*rows, n_arms=2)


def slope(sums: RankedSums, treatment: int) -> Floats:
    return best_linear_predictor(sums, treatment).slope


def mean_toc(sums: RankedSums, treatment: int) -> Floats:
    return _between_percentiles(sums, treatment, power=0)


def mean_share_times_toc(sums: RankedSums, treatment: int) -> Floats:
    return _between_percentiles(sums, treatment, power=1)


def _between_percentiles(sums: RankedSums, treatment: int, *, power: int) -> Floats:
    """EconML's sum over 50 percentiles, without the tails."""
    curve = toc_curve(tops(sums, treatment))
    q = 1 - PERCENTILES / 100
    pairs = zip(curve.at, curve.height, strict=True)
    heights = np.stack([np.interp(q[::-1], at, height)[::-1] for at, height in pairs])
    return np.asarray((q**power * heights)[:, :-1] @ np.diff(PERCENTILES) / 100)


@pytest.mark.parametrize(
    ("metric", "published"), [(slope, BLP), (mean_toc, TOC), (mean_share_times_toc, QINI)]
)
def test_estimate_and_closed_form_error_are_econmls(
    metric, published: tuple[float, float], rows: Rows
) -> None:
    coarse = ranked_sums(*rows, n_arms=2, max_blocks=400)
    found = jackknife(metric, coarse, 1, *rows, level=0.95)
    estimate, error = published
    assert abs(found.estimate - estimate) < 0.05 * error
    assert found.standard_error == pytest.approx(error, rel=0.02)


def test_the_calibration_score_by_quarters_is_econmls(sums: RankedSums) -> None:
    found = calibrate_effects(sums, 1, level=0.95, bins=4).r_squared
    assert found == pytest.approx(CAL_R_SQUARED, abs=0.01)
