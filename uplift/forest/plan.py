"""What must be known of all rows before any of them is coded: cuts, rounding, weights."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from uplift.errors import ConfigError
from uplift.forest.bins import Bins, Vector, code_rows, fit_bins
from uplift.forest.log import ArmVector, CodedLog, ForestRows
from uplift.forest.moments import Layout, columns, extent, score_columns
from uplift.forest.sampling import counted_keys, sparse_limit

Counts: TypeAlias = npt.NDArray[np.int64]

QUANTILE_ROWS = 200_000  # rows that the edges of the bins are taken from
FINE = 2.0**32  # propensities are summed as whole numbers, so that rows may come in any order


@dataclass(frozen=True, eq=False)
class LogPlan:
    """What must be known of all rows before any of them can be coded; small, and easily sent.

    Attributes:
        bins: How features are cut.
        layout: How outcomes and weights are rounded.
        n_arms: K + 1.
        mean_propensity: Of every arm, shape (K + 1,); None where no arm's chance varies.
    """

    bins: Bins
    layout: Layout
    n_arms: int
    mean_propensity: Vector | None

    def code(self, rows: ForestRows, workers: Executor | None = None) -> CodedLog:
        """Code rows: the whole log, or any part of it."""
        codes, levels = code_rows(rows.features, self.bins, workers)
        weight = row_weights(rows.arm, rows.propensity, rows.weight, self.mean_propensity)
        if rows.expected is None:
            values = columns(rows.outcome, weight, self.layout)
        else:
            values = score_columns(rows.scores(), rows.arm, weight, self.layout)
        return CodedLog(
            bins=self.bins,
            layout=self.layout,
            codes=codes,
            levels=levels,
            arm=rows.arm.astype(np.uint8),
            values=values,
            keys=counted_keys(len(rows.arm)) if rows.keys is None else rows.keys,
            n_arms=self.n_arms,
        )


def plan_log(
    rows: ForestRows,
    n_arms: int,
    *,
    categorical: Sequence[int],
    max_bins: int,
    needs_squares: bool,
) -> LogPlan:
    """Cut the features, and find the finest rounding that all rows leave room for."""
    rows.require_arms(n_arms)
    n_rows = len(rows.outcome)
    keys = counted_keys(n_rows) if rows.keys is None else rows.keys
    few = None
    if n_rows > QUANTILE_ROWS:
        few = np.flatnonzero(keys < np.uint64(sparse_limit(QUANTILE_ROWS / n_rows)))
    is_scored = rows.expected is not None
    if is_scored and needs_squares:
        raise ConfigError(
            "`criterion` compares distributions of outcomes, and doubly robust scores only have "
            "means. Take causal, euclidean, cts or ddp, or leave the helper models out."
        )
    mean = None if is_scored else mean_propensity(rows.arm, rows.propensity)
    weight = row_weights(rows.arm, rows.propensity, rows.weight, mean)
    return LogPlan(
        bins=fit_bins(rows.features, categorical=categorical, max_bins=max_bins, sample=few),
        layout=extent(rows.scores() if is_scored else rows.outcome, weight).layout(
            needs_squares=needs_squares
        ),
        n_arms=n_arms,
        mean_propensity=mean,
    )


def mean_propensity(arm: ArmVector, propensity: Vector) -> Vector | None:
    """The mean chance of every arm among its rows; None where it varies within no arm.

    Examples:
        >>> mean_propensity(np.array([0, 0, 1]), np.array([0.5, 0.5, 0.5])) is None
        True
        >>> mean_propensity(np.array([0, 0, 1]), np.array([0.25, 0.5, 0.5]))
        array([0.375, 0.5  ])
    """
    n_rows = np.bincount(arm)
    lowest, highest = np.full(len(n_rows), np.inf), np.zeros(len(n_rows))
    np.minimum.at(lowest, arm, propensity)
    np.maximum.at(highest, arm, propensity)
    total = np.zeros(len(n_rows), dtype=np.int64)
    np.add.at(total, arm, np.rint(propensity * FINE).astype(np.int64))
    return means_of_chances(n_rows, lowest, highest, total)


def means_of_chances(
    n_rows: Counts, lowest: Vector, highest: Vector, total: Counts
) -> Vector | None:
    """``mean_propensity`` from what adds up, by arm: rows, extremes, and the sum in 1 / FINE."""
    varies = lowest < highest
    if not varies.any():
        return None
    return np.asarray(np.where(varies, total / FINE / np.maximum(n_rows, 1), highest))


def row_weights(
    arm: ArmVector, propensity: Vector, weight: Vector | None, mean: Vector | None
) -> Vector | None:
    """Stabilised inverse-propensity weights; None where every row counts once.

    A row weighs its arm's mean propensity over its own. Where the propensity does not differ
    within any arm these are all 1 and are left out.

    Examples:
        >>> row_weights(np.array([0, 0, 1]), np.array([0.2, 0.4, 0.5]), None, np.array([0.3, 0.5]))
        array([1.5 , 0.75, 1.  ])
    """
    if mean is None:
        return weight
    stabilised = mean[arm] / propensity
    return stabilised if weight is None else stabilised * weight
