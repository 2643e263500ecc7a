"""Estimates with their uncertainty: from bootstrap replicates, or in closed form.

Intervals are percentile intervals: the metric's range and any transform of it are respected (a
share stays a share), and rankings being fixed before these rows were seen, the metrics are nearly
unbiased, so the mirror image that a basic interval takes would gain nothing. With R replicates the
bounds are the order statistics at (R + 1) alpha, which keeps the level for few replicates.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from uplift.errors import ContractError
from uplift.evaluation.resampling import Floats


@dataclass(frozen=True)
class Estimate:
    """A number and how sure we are of it; not a number where the data cannot say."""

    estimate: float
    low: float
    high: float
    standard_error: float

    def to_document(self) -> dict[str, object]:
        """For JSON: null for what is not a number."""
        fields = {
            "estimate": self.estimate,
            "low": self.low,
            "high": self.high,
            "standard_error": self.standard_error,
        }
        return {name: value if math.isfinite(value) else None for name, value in fields.items()}


def from_replicates(values: Floats, *, level: float) -> Estimate:
    """The data's value with a percentile interval and the replicates' standard deviation.

    Valid for statistics that are smooth in the sums, with some hundred randomisation units or
    more. Replicates in which an arm came out empty are left out; without replicates, the interval
    is not a number.

    Args:
        values: A metric per replicate, shape (R + 1,), the data's first.
        level: Of the interval, such as 0.95.

    Examples:
        >>> effect = from_replicates(np.array([50.0, *range(1, 100)]), level=0.9)
        >>> round(effect.low, 6), effect.estimate, round(effect.high, 6)
        (5.0, 50.0, 95.0)
    """
    _check_level(level)
    drawn = values[1:][np.isfinite(values[1:])]
    if len(drawn) < 2 or not np.isfinite(values[0]):
        return Estimate(float(values[0]), math.nan, math.nan, math.nan)
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], method="weibull")
    return Estimate(float(values[0]), float(low), float(high), float(drawn.std(ddof=1)))


def where_something_happened(values: Floats, *, level: float) -> Estimate:
    """As ``from_replicates``, but an interval without width is not a number.

    For a small group of rows: where none of them had an event, every replicate says 0, which is no
    proof of anything. (Of n rows, an event in one of n / 3 would be missed once in twenty times.)
    """
    found = from_replicates(values, level=level)
    if found.standard_error == 0.0:
        return Estimate(found.estimate, math.nan, math.nan, math.nan)
    return found


def from_standard_error(estimate: float, standard_error: float, *, level: float) -> Estimate:
    """A normal interval; for means of many rows."""
    _check_level(level)
    reach = NormalDist().inv_cdf((1 + level) / 2) * standard_error
    return Estimate(estimate, estimate - reach, estimate + reach, standard_error)


def wald_statistic(values: Floats) -> float:
    """How far several numbers together are from 0, in the replicates' covariance: chi squared.

    Of q degrees of freedom if all are 0; valid with many more replicates than numbers. Not a number
    where the data cannot say.

    Args:
        values: Of q numbers per replicate, shape (R + 1, q), the data's first.
    """
    drawn = values[1:][np.isfinite(values[1:]).all(axis=1)]
    if len(drawn) <= values.shape[1] + 1 or not np.isfinite(values[0]).all():
        return math.nan
    covariance = np.atleast_2d(np.cov(drawn, rowvar=False))
    if np.linalg.matrix_rank(covariance, hermitian=True) < len(covariance):
        return math.nan
    return float(values[0] @ np.linalg.solve(covariance, values[0]))


def difference_in_means(
    n: npt.ArrayLike, total: npt.ArrayLike, squares: npt.ArrayLike, *, level: float
) -> Estimate:
    """Treated minus control, with Welch's standard error.

    Valid only if the rows were randomised one by one; where the randomisation unit is larger, use
    the bootstrap.

    Args:
        n: Rows of treatment and control, shape (2,).
        total: Outcome sums, shape (2,).
        squares: Sums of squared outcomes, shape (2,); of a 0/1 outcome the sums again.
        level: Of the interval.

    Examples:
        Visits of Hillstrom's men's e-mail against no e-mail:

        >>> visits = [3894, 2262]
        >>> effect = difference_in_means([21307, 21306], visits, visits, level=0.95)
        >>> round(effect.estimate, 6), round(effect.standard_error, 6)
        (0.07659, 0.003386)
    """
    rows, sums = np.asarray(n, dtype=np.float64), np.asarray(total, dtype=np.float64)
    if (rows < 2).any():
        raise ContractError(
            f"{rows.tolist()} rows of treatment and control; a standard error needs 2 of each."
        )
    means = sums / rows
    variances = (np.asarray(squares, dtype=np.float64) - rows * means**2) / (rows - 1)
    return from_standard_error(
        float(means[0] - means[1]), float(np.sqrt((variances / rows).sum())), level=level
    )


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ContractError(f"level {level} is not in (0, 1); `evaluation.level` is 0.95 for 95 %.")
