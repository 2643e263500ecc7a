"""Slope, intercept and bins: by least squares on rows, by known truths, by shape."""

import numpy as np
import pytest
from hypothesis import given

from tests.evaluation.builders import Log, from_counts, from_log, logs
from uplift.errors import ContractError
from uplift.evaluation.calibration import (
    average_error,
    best_linear_predictor,
    calibrate_effects,
)
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums
from uplift.evaluation.resampling import Floats

LEVEL = 0.95


def simulate(
    *, slope: float = 1.0, intercept: float = 0.0, n: int = 20_000, seed: int = 0, **how: int
) -> RankedSums:
    """Predictions uniform on (0, 1), true effect ``intercept + slope x prediction``."""
    rng = np.random.default_rng(seed)
    prediction = rng.uniform(size=n)
    share = np.where(prediction > 0.5, 0.3, 0.6)
    arm = (rng.uniform(size=n) < share).astype(int)
    outcome = 50 + prediction + arm * (intercept + slope * prediction) + rng.normal(size=n)
    return ranked_sums(
        prediction,
        arm,
        outcome,
        n_arms=2,
        weight=1 / np.where(arm == 1, share, 1 - share),
        **{"replicates": 100, "max_blocks": 100, **how},
    )


def least_squares(prediction: Floats, arm: Floats, outcome: Floats, weight: Floats) -> Floats:
    """Of outcome on 1, prediction, arm, arm x prediction, by another road."""
    design = np.column_stack([np.ones(len(arm)), prediction, arm, arm * prediction])
    root = np.sqrt(weight)
    found, *_ = np.linalg.lstsq(design * root[:, None], outcome * root, rcond=None)
    return np.asarray(found[2:])


def test_the_line_is_that_of_least_squares_with_the_arm_interacted() -> None:
    rng = np.random.default_rng(1)
    prediction, arm = rng.normal(1, 1, 60), rng.integers(0, 2, 60)
    outcome, weight = rng.normal(size=60), rng.uniform(1, 4, 60)
    sums = ranked_sums(prediction, arm, outcome, n_arms=2, weight=weight)
    line = best_linear_predictor(sums, 1)
    expected = least_squares(prediction, arm, outcome, weight)
    assert [line.intercept[0], line.slope[0]] == pytest.approx(expected, rel=1e-9)


@given(logs())
def test_ties_give_the_line_of_their_rows(log: Log) -> None:
    priority, arm, outcome = (np.array(column, dtype=float) for column in zip(*log, strict=True))
    line = best_linear_predictor(from_log(log), 1)
    if min(np.ptp(priority[arm == drawn]) for drawn in (0, 1)) > 0:
        expected = least_squares(priority, arm, outcome, np.ones(len(arm)))
        assert [line.intercept[0], line.slope[0]] == pytest.approx(expected, abs=1e-9)
    else:
        assert np.isnan(line.slope[0])


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.4, 0.3), (-0.5, 1.0), (2.0, -1.0)])
def test_the_truth_comes_out_within_four_standard_errors(slope: float, intercept: float) -> None:
    found = calibrate_effects(simulate(slope=slope, intercept=intercept), 1, level=LEVEL)
    assert abs(found.slope.estimate - slope) < 4 * found.slope.standard_error
    assert abs(found.intercept.estimate - intercept) < 4 * found.intercept.standard_error
    off = intercept + (slope - 1) / 2
    assert abs(found.average_error.estimate - off) < 4 * found.average_error.standard_error
    assert found.average_predicted == pytest.approx(0.5, abs=0.02)
    assert found.spread_predicted == pytest.approx(12**-0.5, rel=0.02)


def test_a_shift_of_the_outcome_moves_neither_line_nor_error() -> None:
    sums = simulate(n=2000, replicates=3)
    shifted = RankedSums(
        sums.n, sums.y + 900 * sums.n, sums.rows, sums.priority, outcome_is_binary=False
    )
    for moved, stayed in (
        (best_linear_predictor(shifted, 1).slope, best_linear_predictor(sums, 1).slope),
        (average_error(shifted, 1), average_error(sums, 1)),
    ):
        assert moved == pytest.approx(stayed, abs=1e-8)


def test_right_predictions_stand_and_their_heterogeneity_is_seen() -> None:
    found = calibrate_effects(simulate(), 1, level=LEVEL)
    assert not found.is_rejected
    assert found.p_no_heterogeneity < 1e-6
    assert found.p_calibrated > 0.01
    assert found.r_squared > 0.5


def test_exaggerated_predictions_are_rejected_and_told_so() -> None:
    found = calibrate_effects(simulate(slope=0.3, intercept=0.35), 1, level=LEVEL)
    (reason,) = found.rejections
    assert "exaggerated: slope 0.3" in reason
    assert found.p_calibrated < 1e-6


def test_a_wrong_average_is_rejected() -> None:
    found = calibrate_effects(simulate(intercept=0.8), 1, level=LEVEL)
    (reason,) = found.rejections
    assert "average effect is off by 0.8" in reason


def test_timid_predictions_are_not_rejected_for_their_slope() -> None:
    found = calibrate_effects(simulate(slope=2.5, intercept=-0.75), 1, level=LEVEL)
    assert found.slope.low > 2
    assert not found.is_rejected


def test_predictions_that_know_nothing_show_no_heterogeneity() -> None:
    found = calibrate_effects(simulate(slope=0.0, intercept=0.5), 1, level=LEVEL)
    assert found.p_no_heterogeneity > 0.01
    assert found.is_rejected


def test_a_constant_prediction_has_no_slope_and_is_judged_by_its_average() -> None:
    rng = np.random.default_rng(0)
    arm, outcome = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    for predicted, rejected in ((0.0, False), (0.9, True)):
        sums = ranked_sums(np.full(400, predicted), arm, outcome, n_arms=2, replicates=50)
        found = calibrate_effects(sums, 1, level=LEVEL, bins=2)
        assert np.isnan([found.slope.estimate, found.intercept.low, found.p_calibrated]).all()
        assert found.is_rejected is rejected


def test_bins_stand_side_by_side_best_first() -> None:
    found = calibrate_effects(from_counts((10, 8, 10, 2), (10, 5, 10, 5)), 1, level=LEVEL, bins=2)
    assert [(b.predicted, b.measured.estimate, b.n_treated) for b in found.bins] == [
        (0.0, pytest.approx(0.6), 10.0),
        (-1.0, 0.0, 10.0),
    ]


def test_without_replicates_nothing_is_rejected_for_want_of_an_interval() -> None:
    assert not calibrate_effects(simulate(slope=0.1, replicates=0), 1, level=LEVEL).is_rejected


def test_few_blocks_lose_little() -> None:
    fine, coarse = (
        calibrate_effects(simulate(slope=0.6, max_blocks=blocks), 1, level=LEVEL).slope
        for blocks in (2000, 50)
    )
    assert coarse.estimate == pytest.approx(fine.estimate, abs=0.1 * fine.standard_error)
    assert coarse.standard_error == pytest.approx(fine.standard_error, rel=0.05)


@pytest.mark.parametrize("tolerance", [-0.1, 1.0])
def test_a_tolerance_that_is_none_is_refused(tolerance: float) -> None:
    with pytest.raises(ContractError, match=r"tolerance .* not in \[0, 1\)"):
        calibrate_effects(simulate(n=100), 1, level=LEVEL, tolerance=tolerance)


def test_a_treatment_that_is_none_is_refused() -> None:
    with pytest.raises(ContractError, match="treatment 2 is not among"):
        best_linear_predictor(simulate(n=100), 2)


def test_a_bin_without_any_event_measures_0_and_claims_no_interval() -> None:
    rows = 400
    priority, arm = np.arange(rows), np.arange(rows) % 2
    outcome = (priority >= 300) & (arm == 1) & (priority % 3 == 0)
    sums = ranked_sums(priority, arm, outcome, n_arms=2, replicates=50)
    best, worst = calibrate_effects(sums, 1, level=LEVEL, bins=2).bins
    assert best.measured.low > 0
    assert worst.measured.estimate == 0
    assert np.isnan([worst.measured.low, worst.measured.high]).all()
