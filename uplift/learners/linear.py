"""Logistic and ridge regression in the place of a booster: the simple baseline.

Numbers are standardised by the mean and spread of the rows that are fitted; where one is missing
it counts as the mean, and if that happened in these rows, being missing has a coefficient of its
own. Every category has one too, up to the ``MOST_LEVELS`` most frequent of a feature; the others,
and one that was never seen, count as nothing but the average. The encoder answers a category that
training has not seen with NaN, so where the feature was missing in training that is what it
counts as.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.ensemble import FlatEnsemble, constant, linear
from uplift.ensemble.flat import Link
from uplift.learners.base import Matrix, Objective, Vector

MOST_LEVELS = 50  # of one categorical feature; a column of the design each

_CERTAIN = 1e-15  # a chance this far from 0 and 1 where everybody did alike, as LightGBM has it


@dataclass(frozen=True)
class LinearSettings:
    """How a linear model is fitted.

    Attributes:
        l2: Half the squared length of the standardised coefficients times this is added to the
            sum of the rows' losses: minus the log-likelihood, or half the squared error.
    """

    l2: float = 1.0


@dataclass(frozen=True, eq=False)
class Coding:
    """From features to the columns of a linear model, learned from the rows that are fitted.

    Attributes:
        numbers: Columns that hold numbers.
        mean: Of each, shape (p,).
        scale: Standard deviation of each, infinite where all are alike, shape (p,).
        gaps: Columns of either kind with missing values.
        levels: The categories of each categorical column.
    """

    numbers: npt.NDArray[np.int64]
    mean: Vector
    scale: Vector
    gaps: npt.NDArray[np.int64]
    levels: Mapping[int, npt.NDArray[np.int64]]

    def design(self, features: Matrix) -> Matrix:
        """Standardised numbers, then gaps, then categories, shape (n, columns)."""
        numbers = (features[:, self.numbers] - self.mean) / self.scale
        numbers[np.isnan(numbers)] = 0.0
        gaps = np.isnan(features[:, self.gaps])
        categories = [
            features[:, [column]] == levels[np.newaxis, :] for column, levels in self.levels.items()
        ]
        return np.column_stack([numbers, gaps, *categories]).astype(np.float64)

    def compiled(self, intercept: float, coefficients: Vector, *, link: Link) -> FlatEnsemble:
        """The model of these columns, on features as they are."""
        n_features = len(self.numbers) + len(self.levels)
        cuts = np.cumsum([len(self.numbers), len(self.gaps), *map(len, self.levels.values())])
        by_number, by_gap, *by_level = np.split(coefficients, cuts[:-1])
        slopes = np.zeros(n_features)
        slopes[self.numbers] = by_number / self.scale
        missing = np.zeros(n_features)
        missing[self.numbers] = slopes[self.numbers] * self.mean
        missing[self.gaps] += by_gap
        return linear(
            slopes,
            intercept=intercept - float(slopes[self.numbers] @ self.mean),
            missing={int(column): float(missing[column]) for column in np.flatnonzero(missing)},
            categories={
                column: dict(zip(map(int, levels), map(float, values), strict=True))
                for (column, levels), values in zip(self.levels.items(), by_level, strict=True)
            },
            link=link,
        )


def fit_coding(features: Matrix, weight: Vector | None, categorical: Sequence[int]) -> Coding:
    """Means, spreads and categories of these rows; a row counts with its weight."""
    numbers = np.setdiff1d(np.arange(features.shape[1]), categorical)
    known = ~np.isnan(features[:, numbers])
    share = known * (np.ones(len(features)) if weight is None else weight)[:, np.newaxis]
    total = np.maximum(share.sum(axis=0), np.finfo(np.float64).tiny)
    values = np.where(known, features[:, numbers], 0.0)
    mean = (share * values).sum(axis=0) / total
    spread = np.sqrt((share * (values - mean) ** 2).sum(axis=0) / total)
    is_constant = spread <= 1e-12 * np.maximum(1.0, np.abs(mean))  # rounding is no spread
    return Coding(
        numbers=numbers,
        mean=mean,
        scale=np.where(is_constant, np.inf, spread),
        gaps=np.flatnonzero(np.isnan(features).any(axis=0)),
        levels={column: _levels(features[:, column], weight) for column in sorted(categorical)},
    )


def fit_linear(
    features: Matrix,
    outcome: Vector,
    weight: Vector | None,
    *,
    objective: Objective,
    categorical: Sequence[int],
    settings: LinearSettings,
) -> FlatEnsemble:
    """Fit logistic regression (``binary``) or ridge regression (``regression``).

    An outcome that is the same in all rows has no model but itself.

    Args:
        features: Shape (n, d); NaN is missing.
        outcome: Shape (n,).
        weight: Shape (n,), or None for equal weights.
        objective: Which of the two.
        categorical: Columns whose numbers are categories.
        settings: How.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    n_features = features.shape[1]
    is_binary = objective == "binary"
    if np.ptp(outcome) == 0.0:
        value = float(outcome[0])
        if not is_binary:
            return constant([value], n_features)
        chance = min(max(value, _CERTAIN), 1.0 - _CERTAIN)
        return constant([np.log(chance / (1.0 - chance))], n_features, link="logistic")
    coding = fit_coding(features, weight, categorical)
    model = (
        LogisticRegression(C=1.0 / settings.l2, solver="newton-cholesky", tol=1e-8)
        if is_binary
        else Ridge(alpha=settings.l2, solver="cholesky")
    )
    model.fit(coding.design(features), outcome, sample_weight=weight)
    intercept = float(np.ravel(model.intercept_)[0])
    link: Link = "logistic" if is_binary else "identity"
    return coding.compiled(intercept, np.ravel(model.coef_), link=link)


def _levels(values: Vector, weight: Vector | None) -> npt.NDArray[np.int64]:
    """The most frequent categories, in ascending order."""
    is_known = ~np.isnan(values)
    levels, place = np.unique(values[is_known].astype(np.int64), return_inverse=True)
    rows = np.bincount(place, weights=None if weight is None else weight[is_known])
    most = np.argsort(-rows, kind="stable")[:MOST_LEVELS]
    return np.sort(levels[most])
