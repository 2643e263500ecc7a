import numpy as np
import pandas as pd
import pytest

from tests.experiment.builders import confounded, ihdp, lalonde, log_of, twins
from uplift.experiment.adjusted import (
    AdjustedEffect,
    adjusted_effect,
    clustered_error,
    cross_fitted_outcomes,
    naive_effect,
)
from uplift.experiment.counts import arm_counts, difference_in_means
from uplift.experiment.overlap import trim
from uplift.experiment.propensity import fit_propensities

FLOOR = 0.01


def errors_from(effect: AdjustedEffect, truth: float) -> float:
    """How many standard errors an estimate lies from the truth."""
    return abs(effect.value - truth) / effect.standard_error


def propensities(log, *kinds):
    return fit_propensities(
        log.features,
        log.arm,
        log.fold,
        n_arms=log.n_arms,
        folds=log.folds,
        seed=1,
        categorical=log.categorical,
        kinds=kinds or ("splines",),
    ).propensities


def test_equal_chances_give_the_difference_in_means_and_welchs_error():
    generator = np.random.default_rng(0)
    arm, outcome = np.arange(400) % 4 // 3, generator.normal(size=400)
    log = log_of(np.zeros((400, 1)), arm, outcome)
    effect = naive_effect(log, k=1)
    plain = difference_in_means(arm_counts(arm, {"y": outcome}, n_arms=2))
    assert effect.value == pytest.approx(plain.difference[0, 0])
    # population and sample variances: a factor of 100 / 99 in the smaller arm
    assert effect.standard_error == pytest.approx(plain.standard_error[0, 0], rel=0.01)


def test_every_target_gives_the_truth_where_the_naive_difference_does_not():
    log, chances = confounded(8000, effects=(1.0, 2.0))
    expected = cross_fitted_outcomes(log, seed=1, kinds=("splines",)).values
    estimated = propensities(log)
    for k, truth in ((1, 1.0), (2, 2.0)):
        assert errors_from(naive_effect(log, k=k), truth) > 8
        for target in ("att", "ate", "overlap"):
            for given in (chances, estimated):
                for guessed in (None, expected):
                    effect = adjusted_effect(
                        log, given, k=k, target=target, floor=FLOOR, expected=guessed
                    )
                    assert errors_from(effect, truth) < 4, (k, target)


def test_expected_outcomes_make_the_error_smaller():
    log, chances = confounded(4000)
    expected = cross_fitted_outcomes(log, seed=1, kinds=("splines",)).values
    plain, robust = (
        adjusted_effect(log, chances, k=1, target="ate", floor=FLOOR, expected=guessed)
        for guessed in (None, expected)
    )
    assert robust.standard_error < 0.7 * plain.standard_error


@pytest.mark.parametrize("target", ["att", "ate", "overlap"])
def test_either_of_the_two_models_may_be_wrong(target):
    log, chances = confounded(8000)
    truth = 3.0 * log.features[:, :1] + (log.features[:, 2:] == 2.0) + np.array([[0.0, 2.0]])
    nonsense = np.tile([1.0, -1.0], (log.n, 1))
    equal = np.full((log.n, 2), 0.5)
    for wrong, right in ((equal, truth), (chances, nonsense)):
        effect = adjusted_effect(log, wrong, k=1, target=target, floor=FLOOR, expected=right)
        assert errors_from(effect, 2.0) < 4
    both = adjusted_effect(log, equal, k=1, target=target, floor=FLOOR, expected=nonsense)
    assert errors_from(both, 2.0) > 8


def test_clusters_that_are_all_alike_count_once():
    log, chances = confounded(400)
    single = adjusted_effect(log, chances, k=1, target="ate", floor=FLOOR)
    fourfold = log_of(
        np.repeat(log.features, 4, axis=0),
        np.repeat(log.arm, 4),
        np.repeat(log.outcome, 4),
        cluster_ids=[f"unit {i}" for i in np.repeat(np.arange(400), 4)],
    )
    effect = adjusted_effect(
        fourfold, np.repeat(chances, 4, axis=0), k=1, target="ate", floor=FLOOR
    )
    assert effect.value == pytest.approx(single.value)
    assert effect.standard_error == pytest.approx(single.standard_error)


def test_one_cluster_has_no_error_to_speak_of():
    assert clustered_error(np.array([1.0, -1.0]), np.array([3, 3])) == np.inf


@pytest.mark.long
def test_intervals_of_the_doubly_robust_effect_hold_the_truth_as_often_as_they_say():
    # 200 logs, 95 %: 4 SE are 4 sqrt(.95 x .05 / 200) = .062
    hits = 0
    for seed in range(200):
        log, _ = confounded(600, seed=seed)
        expected = cross_fitted_outcomes(log, seed=1, kinds=("splines",)).values
        effect = adjusted_effect(
            log, propensities(log), k=1, target="ate", floor=FLOOR, expected=expected
        )
        hits += errors_from(effect, 2.0) < 1.96
    assert abs(hits / 200 - 0.95) < 0.062


@pytest.mark.slow
@pytest.mark.parametrize(("controls", "naive"), [("cps", -8498), ("psid", -15205)])
def test_the_trainees_effect_is_found_among_people_who_were_never_in_the_experiment(
    controls, naive
):
    """LaLonde (1986): the experiment says $1,794; the plain comparison loses thousands."""
    features, arm, outcome = lalonde(controls)
    log = log_of(features, arm, outcome)
    assert naive_effect(log, k=1).value == pytest.approx(naive, abs=1.0)
    chances = propensities(log, "splines", "boosting")
    keep = trim(chances, arm, rule="floor", floor=FLOOR).keep
    expected = cross_fitted_outcomes(log, seed=1).values
    for guessed in (None, expected):
        effect = adjusted_effect(
            log, chances, k=1, target="att", floor=FLOOR, expected=guessed, among=keep
        )
        assert errors_from(effect, 1794.0) < 2
        assert abs(effect.value - 1794.0) < 0.15 * abs(naive - 1794.0)


@pytest.mark.slow
def test_infants_of_a_confounded_programme_gain_four_points():
    """IHDP, response surface B (Hill 2011): the effect on the treated is 4 by construction."""
    off, adjusted_off, naive_off = [], [], []
    for replication in range(1, 5):
        rows = ihdp(replication)
        features = rows[[f"x{i}" for i in range(1, 26)]].to_numpy(dtype=np.float64)
        log = log_of(features, rows["treatment"], rows["y_factual"])
        chances = propensities(log)
        expected = cross_fitted_outcomes(log, seed=1, kinds=("splines",)).values
        effect = adjusted_effect(log, chances, k=1, target="att", floor=FLOOR, expected=expected)
        off.append(errors_from(effect, 4.0))
        adjusted_off.append(abs(effect.value - 4.0))
        naive_off.append(abs(naive_effect(log, k=1).value - 4.0))
    assert max(off) < 3
    assert np.mean(adjusted_off) < 0.5 * np.mean(naive_off)


@pytest.mark.slow
def test_the_heavier_twin_lives_longer_though_early_births_draw_the_lighter():
    log, truth = twins()
    assert errors_from(naive_effect(log, k=1), truth) > 8
    chances = propensities(log)
    expected = cross_fitted_outcomes(log, seed=1).values
    for guessed in (None, expected):
        effect = adjusted_effect(log, chances, k=1, target="ate", floor=FLOOR, expected=guessed)
        assert errors_from(effect, truth) < 3


@pytest.mark.slow
def test_adjusting_a_randomised_log_changes_nothing_but_noise(hillstrom):
    rows = pd.read_csv(hillstrom).iloc[:20000]
    arm = rows["segment"].map({"No E-Mail": 0, "Mens E-Mail": 1, "Womens E-Mail": 2}).to_numpy()
    features = rows[["recency", "history", "mens", "womens", "newbie"]].to_numpy(dtype=float)
    log = log_of(features, arm, rows["visit"])
    chances = propensities(log)
    expected = cross_fitted_outcomes(log, seed=1, kinds=("splines",)).values
    for k in (1, 2):
        naive = naive_effect(log, k=k)
        effect = adjusted_effect(log, chances, k=k, target="ate", floor=FLOOR, expected=expected)
        assert errors_from(effect, naive.value) < 0.5
        assert effect.standard_error == pytest.approx(naive.standard_error, rel=0.05)
