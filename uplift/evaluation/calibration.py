"""Are predicted effects as large as measured ones? The best linear predictor, and bins.

The best linear predictor of the effect given its prediction S is ``intercept + slope x S``: 0 and 1
if predictions are right, slope 0 if they know nothing, below 1 if they exaggerate what sets
customers apart, as over-fitted models do (Chernozhukov, Demirer, Duflo and Fernandez-Val 2018).
It is found arm by arm: each arm's outcome is regressed on S, rows weighted by 1 / propensity, and
control's line is taken from the treatment's. So a shift of the outcome changes nothing, and no
nuisance model is needed. All of it is a function of ``RankedSums`` ranked by S: blocks stand for
their rows, which leaves a line a line.

Valid only for rows that did not help to make the predictions.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.stats import chi2

from uplift.arms import CONTROL
from uplift.errors import ContractError
from uplift.evaluation.curves import ratio, tops
from uplift.evaluation.metrics import ate, uplift_by_bin
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.resampling import Floats
from uplift.evaluation.uncertainty import (
    Estimate,
    from_replicates,
    wald_statistic,
    where_something_happened,
)

TOLERANCE = 0.3  # a slope may be this far below 1, and the average this share off


@dataclass(frozen=True)
class Line:
    """Intercept and slope of the best linear predictor, per replicate, shape (R + 1,)."""

    intercept: Floats
    slope: Floats


@dataclass(frozen=True)
class CalibrationBin:
    """Customers of nearly equal prediction; without any event among them there is no interval."""

    predicted: float
    measured: Estimate
    n_treated: float  # weighted rows in the data
    n_control: float


@dataclass(frozen=True)
class Calibration:
    """Predicted beside measured effects of one treatment; what is not a number, nobody can say."""

    slope: Estimate
    intercept: Estimate
    average_error: Estimate  # measured minus predicted average effect
    average_predicted: float
    spread_predicted: float  # standard deviation of the predictions
    p_no_heterogeneity: float  # one-sided, of a slope of 0: small if predictions know something
    p_calibrated: float  # of slope 1 and average error 0 together: small if predictions are wrong
    r_squared: float  # 1 - mean |measured - predicted| / mean |measured - average|, over bins
    bins: tuple[CalibrationBin, ...]  # best first
    tolerance: float

    @property
    def rejections(self) -> tuple[str, ...]:
        """What the data rule out, in words; empty if they leave the predictions standing.

        A slope above 1 is no rejection: timid predictions leave money on the table, which the
        policy value tells, but they promise nothing that does not come.
        """
        found = []
        least = 1.0 - self.tolerance
        if self.slope.high < least:
            found.append(
                f"Predicted effects are exaggerated: slope {_words(self.slope)}, at least "
                f"{least:g} is asked for."
            )
        measured = self.average_predicted + self.average_error.estimate
        allowed = self.tolerance * max(abs(measured), self.spread_predicted)
        if self.average_error.low > allowed or self.average_error.high < -allowed:
            found.append(
                f"The average effect is off by {_words(self.average_error)}, predicted was "
                f"{self.average_predicted:.4g}, {allowed:.4g} is allowed."
            )
        return tuple(found)

    @property
    def is_rejected(self) -> bool:
        """Whether the data rule out that predictions are right to within the tolerance."""
        return bool(self.rejections)


def best_linear_predictor(sums: RankedSums, treatment: int) -> Line:
    """Intercept and slope of the effect on its prediction; not a number if that is constant.

    Args:
        sums: Ranked by the predicted effect of this treatment; few blocks lose little.
        treatment: Compared with control.
    """
    tops(sums, treatment)  # refuses what is no treatment
    lines = [_line(sums.priority, sums.n[:, :, k], sums.y[:, :, k]) for k in (treatment, CONTROL)]
    return Line(lines[0].intercept - lines[1].intercept, lines[0].slope - lines[1].slope)


def average_error(sums: RankedSums, treatment: int) -> Floats:
    """Measured minus predicted average effect, shape (R + 1,)."""
    return ate(sums, treatment) - _mean_prediction(sums, treatment)


def calibrate_effects(
    sums: RankedSums,
    treatment: int,
    *,
    level: float,
    bins: int = 10,
    tolerance: float = TOLERANCE,
) -> Calibration:
    """Compare predicted with measured effects, with intervals by randomisation unit.

    Args:
        sums: Ranked by the predicted effect of this treatment, with replicates.
        treatment: Compared with control.
        level: Of the intervals, such as 0.95.
        bins: Of equal size.
        tolerance: How far below 1 the slope may truly lie, and by what share of the effect (or of
            the predictions' spread, if that is larger) the average may be off, before an interval
            beyond it rejects the predictions. In [0, 1).

    Examples:
        Two kinds of customer: where 0.2 was predicted half of it came, where none, none:

        >>> import numpy as np
        >>> sums = RankedSums(
        ...     n=np.full((1, 2, 2), 100.0), y=np.array([[[10.0, 20.0], [10.0, 10.0]]]),
        ...     rows=np.full((2, 2), 100), priority=np.array([0.2, 0.0]), outcome_is_binary=True)
        >>> found = calibrate_effects(sums, 1, level=0.95, bins=2)
        >>> round(found.slope.estimate, 6), found.is_rejected
        (0.5, False)
    """
    if not 0 <= tolerance < 1:
        raise ContractError(
            f"tolerance {tolerance} is not in [0, 1); give 0.3 to allow a slope of 0.7."
        )
    line, error = best_linear_predictor(sums, treatment), average_error(sums, treatment)
    slope = from_replicates(line.slope, level=level)
    prediction, by_bin = sums.priority, uplift_by_bin(sums, treatment, bins=bins)
    size = sums.n[0, :, CONTROL] + sums.n[0, :, treatment]
    mean = float(_mean_prediction(sums, treatment)[0])
    spread = math.sqrt(float(np.average((prediction - mean) ** 2, weights=size)))
    measured = by_bin.uplift[0]
    weights = by_bin.n_treated + by_bin.n_control
    off, apart = (
        float((np.abs(measured - other) * weights).sum())
        for other in (by_bin.predicted, ate(sums, treatment)[0])
    )
    return Calibration(
        slope=slope,
        intercept=from_replicates(line.intercept, level=level),
        average_error=from_replicates(error, level=level),
        average_predicted=mean,
        spread_predicted=spread,
        p_no_heterogeneity=_upper_tail(slope.estimate, slope.standard_error),
        p_calibrated=_joint_p(np.stack([error, line.slope - 1.0], axis=1)),
        r_squared=1.0 - off / apart if apart > 0 else math.nan,
        bins=tuple(
            CalibrationBin(
                float(p), where_something_happened(m, level=level), float(n_t), float(n_c)
            )
            for p, m, n_t, n_c in zip(
                by_bin.predicted, by_bin.uplift.T, by_bin.n_treated, by_bin.n_control, strict=True
            )
        ),
        tolerance=tolerance,
    )


def _line(prediction: Floats, n: Floats, y: Floats) -> Line:
    """Least squares of one arm's outcome on the prediction, per replicate."""
    x = prediction - prediction[0]  # exactly 0 where all predictions are equal
    heads = n.sum(axis=1, keepdims=True)
    centre = ratio((n * x).sum(axis=1, keepdims=True), heads)
    away = x - centre
    slope = ratio((y * away).sum(axis=1), (n * away**2).sum(axis=1))
    mean = ratio(y.sum(axis=1), heads[:, 0])
    return Line(mean - slope * (centre[:, 0] + prediction[0]), slope)


def _mean_prediction(sums: RankedSums, treatment: int) -> Floats:
    size = sums.n[:, :, CONTROL] + sums.n[:, :, treatment]
    return ratio((size * sums.priority).sum(axis=1), size.sum(axis=1))


def _upper_tail(estimate: float, standard_error: float) -> float:
    if not (math.isfinite(estimate) and standard_error > 0):
        return math.nan
    return 1.0 - NormalDist().cdf(estimate / standard_error)


def _joint_p(values: Floats) -> float:
    return float(chi2.sf(wald_statistic(values), values.shape[1]))


def _words(found: Estimate) -> str:
    return f"{found.estimate:.4g} ({found.low:.4g} to {found.high:.4g})"
