"""Intervals: by head, and by how often they hold the truth."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_ind

from uplift.arms import Arms
from uplift.errors import ContractError
from uplift.evaluation import metrics
from uplift.evaluation.policy_sums import policy_sums
from uplift.evaluation.policy_value import hajek_value
from uplift.evaluation.ranked_sums import ranked_sums
from uplift.evaluation.uncertainty import (
    Estimate,
    difference_in_means,
    from_replicates,
    from_standard_error,
)

LEVEL, REPLICATES, LOGS = 0.9, 100, 300
ARMS = Arms(("none", "coupon"))


def test_bounds_are_the_order_statistics_of_the_replicates() -> None:
    drawn = np.random.default_rng(0).permutation(np.arange(1.0, 100.0))
    found = from_replicates(np.r_[42.0, drawn], level=0.9)
    assert (found.estimate, found.low, found.high) == pytest.approx((42, 5, 95))
    assert found.standard_error == pytest.approx(drawn.std(ddof=1))


def test_replicates_with_an_empty_arm_are_left_out() -> None:
    found = from_replicates(np.array([1.0, 0.0, np.nan, 2.0]), level=0.5)
    assert found == from_replicates(np.array([1.0, 0.0, 2.0]), level=0.5)


@pytest.mark.parametrize("values", [[3.0], [np.nan, 1.0, 2.0]])
def test_what_the_data_cannot_say_is_null_in_a_document(values: list[float]) -> None:
    document = from_replicates(np.array(values), level=0.95).to_document()
    assert document["low"] is document["high"] is document["standard_error"] is None
    assert document["estimate"] == (3.0 if values == [3.0] else None)


def test_a_normal_interval_reaches_1_96_standard_errors() -> None:
    found = from_standard_error(1.0, 0.5, level=0.95)
    assert (found.low, found.high) == pytest.approx((1 - 0.979982, 1 + 0.979982), abs=1e-6)


def test_the_difference_in_means_has_welchs_error() -> None:
    rng = np.random.default_rng(1)
    treated, control = rng.exponential(2, 40), rng.exponential(1, 25)
    found = difference_in_means(
        [40, 25],
        [treated.sum(), control.sum()],
        [(treated**2).sum(), (control**2).sum()],
        level=0.95,
    )
    peer = ttest_ind(treated, control, equal_var=False)
    assert found.estimate / found.standard_error == pytest.approx(peer.statistic)


def test_one_row_has_no_standard_error() -> None:
    with pytest.raises(ContractError, match="needs 2 of each"):
        difference_in_means([1, 5], [1, 1], [1, 1], level=0.95)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_that_is_no_share_is_refused(level: float) -> None:
    with pytest.raises(ContractError, match=r"`evaluation\.level`"):
        from_replicates(np.zeros(3), level=level)


def holds(found: Estimate, truth: float) -> bool:
    return found.low <= truth <= found.high


def assert_covers(hits: list[bool]) -> None:
    """At LEVEL within three standard errors; a bootstrap of a few hundred rows is a bit short."""
    assert abs(np.mean(hits) - LEVEL) < 3 * math.sqrt(LEVEL * (1 - LEVEL) / len(hits))


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Effect x for x uniform: ATE 1/2, AUTOC 1/4, QINI 1/12; treating x > 1/2 gains 3/8."""
    rng = np.random.default_rng(7)
    hits: dict[str, list[bool]] = {name: [] for name in ("ate", "autoc", "rate_qini", "policy")}
    for log in range(LOGS):
        x, arm = rng.uniform(size=1500), rng.integers(0, 2, 1500)
        outcome = arm * x + rng.normal(size=1500)
        draw = {"replicates": REPLICATES, "seed": log}
        sums = ranked_sums(x, arm, outcome, n_arms=2, max_blocks=100, **draw)
        for metric, truth in (
            (metrics.ate, 1 / 2),
            (metrics.autoc, 1 / 4),
            (metrics.rate_qini, 1 / 12),
        ):
            found = from_replicates(metric(sums, 1), level=LEVEL)
            hits[metric.__name__].append(holds(found, truth))
        chance, decisions = np.full(1500, 0.5), {"above": (x > 0.5).astype(int)}
        policies = policy_sums(arm, outcome, chance, decisions, arms=ARMS, **draw)
        gained = hajek_value(policies, "above") - hajek_value(policies, "nobody")
        hits["policy"].append(holds(from_replicates(gained, level=LEVEL), 3 / 8))
    for covered in hits.values():
        assert_covers(covered)


@pytest.mark.slow
def test_only_intervals_by_the_randomised_unit_hold_the_truth_when_households_are_drawn() -> None:
    rng = np.random.default_rng(8)
    by_household, by_row = [], []
    for log in range(LOGS):
        household = np.repeat(np.arange(200), 5)
        arm = rng.integers(0, 2, 200)[household]
        outcome = 0.3 * arm + rng.normal(size=200)[household] + 0.5 * rng.normal(size=1000)
        for hits, keys in ((by_household, household.astype(np.uint64)), (by_row, None)):
            sums = ranked_sums(
                np.zeros(1000), arm, outcome, n_arms=2, keys=keys, replicates=REPLICATES, seed=log
            )
            hits.append(holds(from_replicates(metrics.ate(sums, 1), level=LEVEL), 0.3))
    assert_covers(by_household)
    assert np.mean(by_row) < 0.7
