"""Closed forms come out, clusters count, and the bootstrap agrees."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import ttest_ind

from tests.evaluation.builders import from_counts
from uplift.errors import ContractError
from uplift.evaluation import metrics
from uplift.evaluation.calibration import best_linear_predictor
from uplift.evaluation.jackknife import Metric, influence, jackknife
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums
from uplift.evaluation.resampling import Floats
from uplift.evaluation.uncertainty import from_replicates

LEVEL = 0.95


def slope(sums: RankedSums, treatment: int) -> Floats:
    return best_linear_predictor(sums, treatment).slope


top_third: Metric = partial(metrics.uplift_at, share=0.3)
METRICS = {
    "ate": metrics.ate,
    "autoc": metrics.autoc,
    "rate_qini": metrics.rate_qini,
    "radcliffe_q": metrics.radcliffe_q,
    "qini_auc": metrics.qini_auc,
    "uplift_auc": metrics.uplift_auc,
    "auuc": metrics.auuc,
    "qini_score": metrics.qini_score,
    "separate_auuc": metrics.separate_auuc,
    "uplift_at": top_third,
    "slope": slope,
}


def log(n: int, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    x, arm = rng.uniform(size=n), rng.integers(0, 2, n)
    return x, arm, (rng.uniform(size=n) < 0.2 + 0.5 * arm * x).astype(float)


def test_of_a_difference_in_means_it_is_welchs() -> None:
    rng = np.random.default_rng(3)
    arm = np.r_[np.ones(50), np.zeros(30)].astype(int)
    outcome = rng.exponential(1 + arm)
    rows = (rng.uniform(size=80), arm, outcome)
    found = jackknife(metrics.ate, ranked_sums(*rows, n_arms=2), 1, *rows, level=LEVEL)
    treated, control = outcome[arm == 1], outcome[arm == 0]
    expected = np.sqrt(treated.var() / 50 + control.var() / 30)
    assert found.standard_error == pytest.approx(expected, rel=1e-6)
    peer = ttest_ind(treated, control, equal_var=False)
    assert found.estimate / found.standard_error == pytest.approx(peer.statistic, rel=0.02)


def test_of_a_slope_it_is_the_sandwichs() -> None:
    rng = np.random.default_rng(4)
    x, arm = rng.normal(size=200), rng.integers(0, 2, 200)
    outcome, weight = x + arm * x + rng.normal(size=200) * (1 + np.abs(x)), rng.uniform(1, 3, 200)
    design = np.column_stack([np.ones(200), x, arm, arm * x])
    bread = np.linalg.inv(design.T @ (design * weight[:, None]))
    residual = outcome - design @ (bread @ design.T @ (weight * outcome))
    meat = design * (weight * residual)[:, None]
    expected = np.sqrt((bread @ meat.T @ meat @ bread)[3, 3])
    rows = (x, arm, outcome)
    sums = ranked_sums(*rows, n_arms=2, weight=weight)
    found = jackknife(slope, sums, 1, *rows, weight=weight, level=LEVEL)
    assert found.standard_error == pytest.approx(expected, rel=1e-5)


def rate_errors(x: Floats, arm: Floats, outcome: Floats) -> tuple[float, float]:
    """AUTOC and QINI by the formula for a mean of scores weighted by their ranks, row by row."""
    n, share = len(x), arm.mean()
    order = np.argsort(-x)
    q = (np.arange(n) + 0.5) / n
    sign = np.where(arm == 1, 1 / share, -1 / (1 - share))[order]
    score = sign * outcome[order]
    errors = []
    for weight, moved in (
        (-np.log(q) - 1, 1 / q),  # of the rank, and minus its derivative
        (0.5 - q, np.ones(n)),
    ):
        # a row further up moves everybody below it down by one rank
        below = np.cumsum((moved * score)[::-1])[::-1] / n
        moving = (moved * q * score).mean() - below
        # the arms' shares are those of the data
        mean_weight = [(weight * score * (sign > 0)).mean(), (weight * score * (sign < 0)).mean()]
        shares = np.where(sign > 0, -mean_weight[0] / share, -mean_weight[1] / (1 - share))
        first = weight * score
        psi = (first - first.mean()) + moving - moving.mean() + shares - shares.mean()
        errors.append(float(np.sqrt((psi**2).sum()) / n))
    return errors[0], errors[1]


def test_of_rate_it_is_that_of_its_asymptotic_form() -> None:
    rows = log(20_000)
    sums = ranked_sums(*rows, n_arms=2, max_blocks=400)
    for metric, expected in zip(
        (metrics.autoc, metrics.rate_qini), rate_errors(*rows), strict=True
    ):
        found = jackknife(metric, sums, 1, *rows, level=LEVEL)
        assert found.standard_error == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("name", METRICS)
def test_the_bootstrap_agrees(name: str) -> None:
    rows, metric = log(6000), METRICS[name]
    sums = ranked_sums(*rows, n_arms=2, max_blocks=60, replicates=800)
    found = jackknife(metric, sums, 1, *rows, level=LEVEL)
    drawn = from_replicates(metric(sums, 1), level=LEVEL)
    assert found.estimate == pytest.approx(drawn.estimate, rel=1e-12)
    # 800 replicates know a standard error to 1 / sqrt(1600) = 2.5 %
    assert found.standard_error == pytest.approx(drawn.standard_error, rel=4 * 0.025)


def test_rows_of_a_household_act_together() -> None:
    rows = log(300)
    doubled = tuple(np.repeat(column, 2) for column in rows)
    household = np.repeat(np.arange(300), 2).astype(np.uint64)
    once = jackknife(metrics.autoc, ranked_sums(*rows, n_arms=2), 1, *rows, level=LEVEL)
    sums = ranked_sums(*doubled, n_arms=2)
    twice = jackknife(metrics.autoc, sums, 1, *doubled, keys=household, level=LEVEL)
    assert twice.standard_error == pytest.approx(once.standard_error, rel=1e-6)
    alone = jackknife(metrics.autoc, sums, 1, *doubled, level=LEVEL)
    assert alone.standard_error == pytest.approx(once.standard_error / 2**0.5, rel=1e-6)


def test_the_influences_of_all_rows_cancel() -> None:
    x, arm, outcome = log(500)
    weight = 1 + x
    sums = ranked_sums(x, arm, outcome, n_arms=2, weight=weight)
    moved = influence(metrics.autoc, sums, 1).of(x, arm, outcome, weight)
    assert abs(moved.sum()) < 1e-6 * np.abs(moved).sum()


def test_other_arms_do_not_act() -> None:
    x, arm, outcome = log(300)
    arm[::5] = 2
    moved = influence(metrics.ate, ranked_sums(x, arm, outcome, n_arms=3), 1).of(
        x, arm, outcome, np.ones(300)
    )
    assert (moved[arm == 2] == 0).all()
    assert (moved[arm != 2] != 0).any()


def test_sums_that_know_no_rows_are_refused() -> None:
    with pytest.raises(ContractError, match="where their blocks begin"):
        influence(metrics.ate, from_counts((1, 1, 1, 0)), 1)
