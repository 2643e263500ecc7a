import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.experiment.builders import confounded, log_of
from uplift.errors import ContractError
from uplift.experiment.adjusted import AdjustedEffect, adjusted_effect
from uplift.experiment.sensitivity import (
    LARGEST_GAMMA,
    Ratio,
    e_value,
    e_value_of_interval,
    marginal_bounds,
    ratio_of_difference,
    ratio_of_risks,
    smallest_gamma,
)


def test_the_e_values_that_were_published():
    """VanderWeele & Ding (2017): breastfeeding and infant deaths, 3.9 (1.8, 8.7)."""
    assert round(e_value(3.9), 2) == 7.26
    assert round(e_value_of_interval(Ratio(3.9, 1.8, 8.7)), 1) == 3.0
    assert e_value(1.0) == 1.0


@given(st.floats(0.01, 100.0))
def test_a_protective_ratio_needs_as_strong_a_cause_as_its_inverse(ratio):
    assert e_value(ratio) == pytest.approx(e_value(1.0 / ratio))
    assert e_value(ratio) >= max(ratio, 1.0 / ratio) - 1e-9


def test_an_interval_that_holds_one_needs_no_hidden_cause():
    assert e_value_of_interval(Ratio(1.3, 0.9, 1.9)) == 1.0
    assert e_value_of_interval(Ratio(0.5, 0.25, 0.8)) == e_value(0.8)


def test_a_difference_becomes_a_ratio_by_its_standard_deviations():
    # d = .5, its error .1: exp(.455), exp(.455 -+ .178)
    ratio = ratio_of_difference(AdjustedEffect(1.0, 0.2), spread=2.0)
    assert ratio == pytest.approx(np.exp([0.455, 0.277, 0.633]))


def test_a_difference_of_shares_becomes_their_ratio():
    ratio = ratio_of_risks(AdjustedEffect(0.1, 0.01), 0.2)
    assert ratio == pytest.approx((1.5, 1.5 - 0.098, 1.5 + 0.098), abs=1e-4)
    assert e_value_of_interval(ratio_of_risks(AdjustedEffect(-0.1, 0.2), 0.2)) == 1.0


def test_no_ratio_of_risks_is_nought():
    with pytest.raises(ContractError, match=r"ratio of risks is 0\.0.*ratio_of_difference"):
        e_value(0.0)


@pytest.mark.parametrize("target", ["att", "ate"])
def test_without_hidden_causes_the_bounds_are_the_weighted_effect(target):
    log, chances = confounded(500)
    given = {"k": 1, "target": target, "floor": 0.01}
    effect = adjusted_effect(log, chances, **given)
    bounds = marginal_bounds(log, chances, gamma=1.0, **given)
    assert (bounds.low, bounds.high) == pytest.approx((effect.value, effect.value))
    assert bounds.interval_low == pytest.approx(effect.value - 1.959964 * effect.standard_error)
    assert bounds.interval_high == pytest.approx(effect.value + 1.959964 * effect.standard_error)


@pytest.mark.parametrize("target", ["att", "ate"])
def test_one_sort_finds_what_a_linear_programme_finds(target):
    """Zhao, Small & Bhattacharya (2019), equation 18, by Charnes and Cooper's transformation."""
    from scipy.optimize import linprog

    log, chances = confounded(120)
    gamma, e = 1.7, chances[:, 1]
    extremes = []
    for k, sign in ((1, 1), (1, -1), (0, 1), (0, -1)):
        rows = log.arm == k
        y, own = log.outcome[rows], chances[rows, k]
        if target == "ate":
            fixed, free = np.ones(y.size), (1 - own) / own
        elif k:
            fixed, free = np.ones(y.size), np.zeros(y.size)
        else:
            fixed, free = np.zeros(y.size), e[rows] / own
        # v = t z, with sum(fixed t + free v) = 1 and t / gamma <= v <= t gamma
        n = y.size
        eye = np.eye(n)
        found = linprog(
            -sign * np.append(free * y, fixed @ y),
            A_ub=np.block([[eye, np.full((n, 1), -gamma)], [-eye, np.full((n, 1), 1.0 / gamma)]]),
            b_ub=np.zeros(2 * n),
            A_eq=np.append(free, fixed.sum())[None],
            b_eq=[1.0],
            bounds=[(0, None)] * (n + 1),
        )
        extremes.append(-sign * found.fun)
    bounds = marginal_bounds(log, chances, k=1, target=target, floor=0.0, gamma=gamma)
    assert bounds.high == pytest.approx(extremes[0] - extremes[3], abs=1e-6)
    assert bounds.low == pytest.approx(extremes[1] - extremes[2], abs=1e-6)


def test_more_hidden_confounding_allows_more():
    log, chances = confounded(500)
    found = [
        marginal_bounds(log, chances, k=1, target="ate", floor=0.01, gamma=gamma)
        for gamma in (1.0, 1.5, 3.0)
    ]
    lows, highs = [b.interval_low for b in found], [b.interval_high for b in found]
    assert lows == sorted(lows, reverse=True)
    assert highs == sorted(highs)


@pytest.mark.slow
def test_the_interval_is_that_of_the_papers_bootstrap():
    log, chances = confounded(1000)
    given = {"k": 1, "target": "ate", "floor": 0.01, "gamma": 1.5}
    bounds = marginal_bounds(log, chances, **given)
    generator = np.random.default_rng(0)
    lows, highs = [], []
    for _ in range(600):
        drawn = generator.integers(0, log.n, size=log.n)
        part = marginal_bounds(
            log_of(log.features[drawn], log.arm[drawn], log.outcome[drawn]),
            chances[drawn],
            **given,
        )
        lows.append(part.low)
        highs.append(part.high)
    # a 2.5 % quantile of 600 draws has an error of about .11 of their standard deviation
    assert bounds.interval_low == pytest.approx(np.quantile(lows, 0.025), abs=0.45 * np.std(lows))
    assert bounds.interval_high == pytest.approx(
        np.quantile(highs, 0.975), abs=0.45 * np.std(highs)
    )


def test_at_the_smallest_gamma_the_interval_just_holds_nought():
    log, chances = confounded(1000, effects=(1.0,))
    given = {"k": 1, "target": "att", "floor": 0.01}
    gamma = smallest_gamma(log, chances, **given)
    assert 1.0 < gamma < 3.0
    bounds = marginal_bounds(log, chances, gamma=gamma, **given)
    assert bounds.interval_low == pytest.approx(0.0, abs=1e-3)


def test_a_harmful_arm_needs_as_strong_a_cause_as_a_helpful_one():
    log, chances = confounded(800)
    mirrored = log_of(log.features, log.arm, -log.outcome)
    one, other = (
        smallest_gamma(part, chances, k=1, target="ate", floor=0.01) for part in (log, mirrored)
    )
    assert one == pytest.approx(other, rel=1e-3)


def test_no_effect_needs_no_hidden_cause_and_a_sure_one_survives_all():
    log, chances = confounded(400, effects=(0.0,))
    assert smallest_gamma(log, chances, k=1, target="ate", floor=0.01) == 1.0
    sure = log_of(log.features, log.arm, log.arm.astype(float) + 1e-3 * log.outcome)
    assert smallest_gamma(sure, chances, k=1, target="ate", floor=0.01) == np.inf
    assert LARGEST_GAMMA >= 10


def test_overlap_weights_have_no_such_bounds():
    log, chances = confounded(100)
    with pytest.raises(ContractError, match=r"target is 'overlap'.*observational\.target"):
        marginal_bounds(log, chances, k=1, target="overlap", floor=0.01, gamma=2.0)
