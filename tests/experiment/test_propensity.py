import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.experiment.builders import confounded, lalonde, log_of
from uplift.experiment.propensity import (
    PropensityFit,
    clip_to_floor,
    fit_propensities,
    log_loss,
)


def fitted(log, **given) -> PropensityFit:
    return fit_propensities(
        log.features,
        log.arm,
        log.fold,
        **{
            "n_arms": log.n_arms,
            "folds": log.folds,
            "seed": 1,
            "categorical": log.categorical,
            "kinds": ("splines",),
            **given,
        },
    )


@pytest.fixture(scope="module")
def three_arms():
    log, truth = confounded(4000, effects=(1.0, 2.0))
    return log, truth, fitted(log)


def test_chances_are_near_the_true_ones_and_sum_to_one(three_arms):
    _, truth, fit = three_arms
    assert fit.propensities.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    # about 15 coefficients from 3,200 rows: errors of sqrt(15 / 3200) x sqrt(.25), twice that
    assert np.sqrt(np.mean((fit.propensities - truth) ** 2)) < 0.07
    assert np.corrcoef(fit.propensities[:, 2], truth[:, 2])[0, 1] > 0.95


def test_chances_are_calibrated_and_tell_more_than_shares(three_arms):
    log, truth, fit = three_arms
    quality = fit.quality
    # the middle arm's chances hardly differ: its slope is mostly noise, and harmless
    assert (np.abs(quality.slope - 1.0) < 4 * quality.slope_error)[[0, 2]].all()
    assert quality.spread[1] < 0.3 < quality.spread[[0, 2]].min()
    # ten groups of 400 units: 3 SE of a share are 3 sqrt(.25 / 400)
    assert quality.calibration_error.max() < 0.075
    assert log_loss(truth, log.arm) < quality.log_loss < quality.log_loss_of_shares - 0.05


def test_no_row_has_a_say_in_its_own_chance(three_arms):
    log, _, fit = three_arms
    rows = log.fold == 0
    arm = log.arm.copy()
    arm[rows] = (arm[rows] + 1) % 3
    other = fitted(log_of(log.features, arm, log.outcome, categorical=(2,)))
    if not (fit.quality.is_calibrated or other.quality.is_calibrated):
        assert np.array_equal(fit.propensities[rows], other.propensities[rows])
    assert not np.array_equal(fit.propensities[~rows], other.propensities[~rows])


def test_the_chance_of_a_row_does_not_depend_on_its_neighbours(three_arms):
    log, _, fit = three_arms
    some = np.array([7, 3, 1999])
    alone = [fit.model.propensities(log.features[[i]], log.fold[[i]])[0] for i in some]
    assert np.array_equal(alone, fit.propensities[some])


def test_trees_tell_more_where_a_threshold_decides_and_curves_where_it_is_smooth():
    generator = np.random.default_rng(3)
    x = generator.normal(size=(2000, 2))
    jumps = np.where((x[:, 0] > 0.3) ^ (x[:, 1] > -0.2), 0.85, 0.15)
    smooth = 1.0 / (1.0 + np.exp(-x[:, 0] - 0.5 * x[:, 1]))
    for chance, better, worse in (
        (jumps, "boosting", "splines"),
        (smooth, "splines", "boosting"),
    ):
        arm = (generator.random(2000) < chance).astype(int)
        fit = fitted(log_of(x, arm, x[:, 0]), kinds=("splines", "boosting"))
        losses = fit.quality.log_loss_of_candidates
        assert losses[better] < losses[worse]
        assert losses[fit.model.kind] == min(losses.values())
        assert fit.quality.log_loss <= min(losses.values())


def test_overconfident_trees_are_calibrated():
    generator = np.random.default_rng(4)
    x = generator.normal(size=(400, 6))
    arm = (generator.random(400) < 1.0 / (1.0 + np.exp(-x[:, 0]))).astype(int)
    fit = fitted(log_of(x, arm, x[:, 0]), kinds=("boosting",))
    assert fit.quality.is_calibrated
    assert fit.quality.log_loss < fit.quality.log_loss_of_candidates["boosting"]
    assert fit.quality.slope == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize("kind", ["splines", "boosting"])
def test_constant_empty_sparse_and_coded_features_are_no_trouble(kind):
    log, _ = confounded(600)
    empty, constant = np.full((600, 1), np.nan), np.ones((600, 1))
    gaps = np.where(np.arange(600)[:, None] % 3, log.features[:, :1], np.nan)
    codes = np.where(np.arange(600)[:, None] % 7, log.features[:, 2:], np.nan)
    many = np.arange(600.0)[:, None] % 300
    features = np.hstack([empty, constant, gaps, codes, many])
    fit = fitted(log_of(features, log.arm, log.outcome, categorical=(3, 4)), kinds=(kind,))
    assert fit.quality.log_loss < fit.quality.log_loss_of_shares
    unseen = np.array([[1.0, 2.0, np.nan, 9.0, 999.0]])
    assert np.isfinite(fit.model.propensities(unseen, np.array([0]))).all()


def test_features_without_information_give_the_shares():
    arm = np.arange(500) % 5 == 0
    fit = fitted(log_of(np.ones((500, 1)), arm.astype(int), np.zeros(500)))
    assert not fit.quality.is_calibrated
    assert fit.propensities[:, 1] == pytest.approx(0.2, abs=0.08)  # 4 SE of 400 rows


def test_a_randomised_log_has_chances_near_its_shares(hillstrom):
    import pandas as pd

    rows = pd.read_csv(hillstrom).iloc[:12000]
    arm = rows["segment"].map({"No E-Mail": 0, "Mens E-Mail": 1, "Womens E-Mail": 2}).to_numpy()
    features = rows[["recency", "history", "mens", "womens", "newbie"]].to_numpy(dtype=float)
    fit = fitted(log_of(features, arm, rows["spend"]))
    assert np.sqrt(np.mean((fit.propensities - 1 / 3) ** 2)) < 0.02
    assert fit.quality.log_loss == pytest.approx(np.log(3.0), abs=0.002)


@given(
    st.lists(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3), min_size=1, max_size=9).filter(
        lambda rows: all(sum(row) > 1e-6 for row in rows)
    ),
    st.floats(0.0, 1 / 3),
)
def test_clipped_chances_reach_the_floor_and_sum_to_one(rows, floor):
    chances = np.array(rows)
    chances /= chances.sum(axis=1, keepdims=True)
    clipped = clip_to_floor(chances, floor)
    assert clipped.min() >= floor - 1e-12
    assert clipped.sum(axis=1) == pytest.approx(1.0)
    untouched = (chances >= floor).all(axis=1)
    assert np.array_equal(clipped[untouched], chances[untouched])


def test_chances_of_nought_and_one_are_clipped_too():
    assert clip_to_floor([[0.0, 1.0]], 0.01).tolist() == [[0.01, 0.99]]


@pytest.mark.slow
def test_the_average_of_curves_and_trees_tells_lalondes_trainees_best_in_any_folds():
    features, arm, outcome = lalonde("psid")
    for folds in (4, 5, 6):
        fit = fitted(log_of(features, arm, outcome, folds=folds), kinds=("splines", "boosting"))
        assert fit.model.kind == "average"
        assert fit.quality.log_loss < 0.35 * fit.quality.log_loss_of_shares
