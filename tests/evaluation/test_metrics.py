"""Closed forms, published small examples, and what every ranking metric must keep."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tests.evaluation.builders import Log, from_counts, from_log, logs
from uplift.errors import ContractError
from uplift.evaluation import metrics
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums
from uplift.evaluation.resampling import Floats

Metric = Callable[[RankedSums, int], Floats]

RANKING: list[Metric] = [
    metrics.radcliffe_q,
    metrics.qini_auc,
    metrics.uplift_auc,
    metrics.qini_score,
    metrics.autoc,
    metrics.rate_qini,
]
ALL: list[Metric] = [*RANKING, metrics.auuc, metrics.separate_auuc, metrics.ate]
by_name = pytest.mark.parametrize("metric", RANKING, ids=lambda metric: metric.__name__)
by_any_name = pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.__name__)


def value(metric: Metric, sums: RankedSums) -> float:
    return float(metric(sums, 1)[0])


def values(chosen: list[Metric], sums: RankedSums) -> dict[str, float]:
    return {metric.__name__: value(metric, sums) for metric in chosen}


def same(expected: dict[str, float]) -> object:
    return pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


def effects(tau: Floats) -> RankedSums:
    """An oracle's ranking of units seen in both arms, without noise: treated tau, control 0."""
    none = np.zeros_like(tau)
    arm = np.r_[none, none + 1].astype(int)
    return ranked_sums(np.r_[tau, tau], arm, np.r_[none, tau], n_arms=2)


def test_an_oracle_of_uniform_effects_has_autoc_a_quarter_and_rate_qini_a_twelfth() -> None:
    n = 4000
    sums = effects((np.arange(n) + 0.5) / n)
    assert value(metrics.autoc, sums) == pytest.approx(1 / 4, abs=np.log(n) / n)
    assert value(metrics.rate_qini, sums) == pytest.approx(1 / 12, abs=1 / n)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_an_oracle_of_effects_zero_and_one_has_the_closed_form(share: float) -> None:
    sums = effects((np.arange(20) < share * 20).astype(np.float64))
    assert value(metrics.autoc, sums) == pytest.approx(-share * np.log(share))
    assert value(metrics.rate_qini, sums) == pytest.approx(share * (1 - share) / 2)


def test_the_two_rows_of_scikit_uplifts_own_tests_come_out() -> None:
    sums = ranked_sums([0.1, 0.3], [1, 0], [0, 1], n_arms=2)
    assert value(metrics.qini_auc, sums) == pytest.approx(1)
    assert value(metrics.uplift_auc, sums) == pytest.approx(0)
    sums = ranked_sums([0.1, 0.3], [0, 1], [1, 0], n_arms=2)
    assert value(metrics.qini_auc, sums) == pytest.approx(1)
    assert value(metrics.uplift_auc, sums) == pytest.approx(1)


@given(logs())
def test_criteos_auuc_is_a_sum_of_two_roc_areas(log: Log) -> None:
    priority, arm, outcome = (np.array(column) for column in zip(*log, strict=True))
    expected = 0.0
    for drawn, sign in ((1, 1), (0, -1)):
        y, score = outcome[arm == drawn], priority[arm == drawn]
        spread = y.mean() * (1 - y.mean())
        expected += sign * (spread * roc_auc_score(y, score) + y.mean() ** 2 / 2)
    assert value(metrics.separate_auuc, from_log(log)) == pytest.approx(expected)


@given(log=logs(), data=st.data())
def test_the_order_of_rows_under_ties_changes_nothing(log: Log, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(log))
    assert values(ALL, from_log(shuffled)) == same(values(ALL, from_log(log)))


@given(log=logs())
def test_a_strictly_increasing_transform_changes_nothing(log: Log) -> None:
    transformed = [(7 * priority**3 - 40, arm, outcome) for priority, arm, outcome in log]
    assert values(ALL, from_log(transformed)) == same(values(ALL, from_log(log)))


@given(log=logs(max_priority=0))
def test_a_constant_priority_is_worth_nothing(log: Log) -> None:
    for name, worth in values(RANKING, from_log(log)).items():
        assert np.isnan(worth) or worth == pytest.approx(0, abs=1e-12), name


@given(log=logs())
def test_every_row_twice_leaves_normalised_areas_as_they_were(log: Log) -> None:
    normalised = [
        metrics.radcliffe_q,
        metrics.qini_auc,
        metrics.uplift_auc,
        metrics.autoc,
        metrics.rate_qini,
        metrics.separate_auuc,
    ]
    assert values(normalised, from_log(log + log)) == same(values(normalised, from_log(log)))


@by_name
def test_a_ranking_turned_round_is_negative_where_it_was_positive(metric: Metric) -> None:
    blocks = [(100, 50, 100, 10), (100, 30, 100, 10), (100, 10, 100, 10), (100, 10, 100, 20)]
    assert value(metric, from_counts(*blocks)) > 0
    assert value(metric, from_counts(*blocks[::-1])) < 0


@by_any_name
def test_a_weight_that_is_the_same_for_all_changes_nothing(metric: Metric) -> None:
    log = [(2, 1, 1), (2, 0, 0), (1, 1, 0), (1, 0, 1), (1, 1, 1), (2, 0, 1), (2, 1, 0)] * 3000
    priority, arm, outcome = zip(*log, strict=True)
    weighted = ranked_sums(priority, arm, outcome, n_arms=2, weight=[3.0] * len(log))
    # causalml's means over k = 0..N know how many rows there are
    assert value(metric, weighted) == pytest.approx(value(metric, from_log(log)), abs=1e-4)


def test_weights_undo_unequal_propensities() -> None:
    rng = np.random.default_rng(2)
    n, treated_share = 60_000, np.array([0.2, 0.8])
    kind = rng.integers(0, 2, n)
    arm = (rng.uniform(size=n) < treated_share[kind]).astype(int)
    outcome = 1.0 * kind + 0.5 * arm
    propensity = np.where(arm == 1, treated_share[kind], 1 - treated_share[kind])
    naive = ranked_sums(kind, arm, outcome, n_arms=2, replicates=100)
    weighted = ranked_sums(kind, arm, outcome, n_arms=2, weight=1 / propensity, replicates=100)
    found = metrics.ate(weighted, 1)
    assert abs(found[0] - 0.5) < 4 * found[1:].std()
    assert value(metrics.ate, naive) > 1.0


def test_a_line_that_rises_by_one_a_row_is_perfect_without_negative_effects() -> None:
    sums = from_counts((5, 5, 0, 0), (5, 0, 10, 0))
    # Q rises to 5 within 5 rows, and stays: the perfect line itself
    assert metrics.qini_auc(sums, 1, negative_effect=False)[0] == pytest.approx(1)


def test_without_negative_effects_a_harmful_treatment_has_no_perfect_ranking() -> None:
    harmful = from_counts((5, 1, 5, 1), (5, 0, 5, 3))
    assert np.isnan(metrics.qini_auc(harmful, 1, negative_effect=False)[0])
    assert metrics.qini_auc(harmful, 1)[0] > 0


@pytest.mark.parametrize("metric", [metrics.qini_auc, metrics.uplift_auc])
def test_counting_responders_needs_a_binary_outcome(metric: Metric) -> None:
    sums = ranked_sums([1, 2], [0, 1], [0.5, 20.0], n_arms=2)
    with pytest.raises(ContractError, match=f"`{metric.__name__}` counts responders"):
        metric(sums, 1)


@by_any_name
def test_without_any_response_nothing_is_guessed(metric: Metric) -> None:
    worth = value(metric, from_counts((3, 0, 3, 0), (2, 0, 2, 0)))
    assert worth == 0 or np.isnan(worth)
