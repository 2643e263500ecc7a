"""The log as a forest sees it: checked, coded, rounded; one partition of it or the whole."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from uplift.errors import ContractError, ExperimentError, OverlapError
from uplift.forest.bins import Bins, Codes, Levels, Matrix, Vector, code_rows, fit_bins
from uplift.forest.histograms import Sample, Sums, take_codes
from uplift.forest.moments import Layout, columns, extent
from uplift.forest.sampling import Keys, Places, counted_keys, sparse_limit

ArmVector: TypeAlias = npt.NDArray[np.integer]
Counts: TypeAlias = npt.NDArray[np.int64]

QUANTILE_ROWS = 200_000  # rows that the edges of the bins are taken from
MOST_ARMS = 256

FINE = 2.0**32  # propensities are summed as whole numbers, so that rows may come in any order


@dataclass(frozen=True, eq=False)
class ForestRows:
    """The rows that a forest learns from, all arms together.

    Attributes:
        features: Shape (n, d), float64; NaN is missing.
        arm: The arm drawn, shape (n,), 0 is control.
        outcome: Shape (n,); 0/1 outcomes take half the memory.
        propensity: Chance of the arm drawn, shape (n,). Where it differs within an arm, rows are
            weighted by the arm's mean propensity over it.
        weight: How many units a row stands for, shape (n,); None: one each.
        keys: Key of each row's randomisation unit, shape (n,), from ``uplift.hashing.hash_keys``;
            rows with one key stay together in every draw. None takes the row's number, and then
            the forest depends on the order of the rows.

    Raises:
        ContractError: Shapes differ, or a value is no number.
        ExperimentError: There is no row.
        OverlapError: A propensity lies outside (0, 1].
    """

    features: Matrix
    arm: ArmVector
    outcome: Vector
    propensity: Vector
    weight: Vector | None = None
    keys: Keys | None = None

    def __post_init__(self) -> None:
        columns = {"arm": self.arm, "outcome": self.outcome, "propensity": self.propensity}
        if self.weight is not None:
            columns["weight"] = self.weight
        _check_shapes(self.features, columns, self.keys)
        for name, values in columns.items():
            _refuse(~np.isfinite(values), name, values, "no number")
        if self.weight is not None:
            _refuse(self.weight <= 0.0, "weight", self.weight, "not positive")
        impossible = (self.propensity <= 0.0) | (self.propensity > 1.0)
        if impossible.any():
            raise OverlapError(
                f"a propensity is {self.propensity[impossible][0]}, outside (0, 1], in "
                f"{impossible.sum()} of {len(impossible)} rows. Correct the assignment table, or "
                "set `campaign.planned_shares` and leave the column out."
            )

    def require_arms(self, n_arms: int) -> None:
        """Every arm 0..n_arms-1 must occur, and no other."""
        unknown = (self.arm < 0) | (self.arm >= n_arms)
        if not 2 <= n_arms <= MOST_ARMS or unknown.any():
            raise ContractError(
                f"arms must be numbers from 0 to {n_arms - 1}, 2 to {MOST_ARMS} of them; "
                f"{unknown.sum()} of {len(self.arm)} rows have another. Map names with "
                "`Arms.numbers`."
            )
        counts = np.bincount(self.arm, minlength=n_arms)
        if counts.min() == 0:
            raise ExperimentError(
                f"arm {int(counts.argmin())} has no row (counts: {counts.tolist()}). Take a larger "
                "log, or name the arm in `campaign.ignore_arms`."
            )


def _check_shapes(
    features: Matrix, columns: Mapping[str, npt.NDArray[np.generic]], keys: Keys | None
) -> None:
    if features.ndim != 2 or features.dtype != np.float64:
        raise ContractError(
            f"the features are {features.dtype} of shape {features.shape}; a forest needs float64 "
            "of shape (n, d). Encode them with a FeatureEncoder."
        )
    if columns["arm"].dtype.kind not in "iu":
        raise ContractError(
            f"the arm is {columns['arm'].dtype}; a forest needs integers, 0 for control. Map names "
            "to numbers with `Arms.numbers`."
        )
    named = dict(columns) if keys is None else {**columns, "keys": keys}
    wrong = {name: v.shape for name, v in named.items() if v.shape != features.shape[:1]}
    if wrong:
        raise ContractError(f"the features have {len(features)} rows, other columns have {wrong}.")
    if 0 in features.shape:
        raise ExperimentError(
            f"the log has shape {features.shape}: nothing to learn from. Check `inputs` and "
            "`features`."
        )


def _refuse(
    strange: npt.NDArray[np.bool_], name: str, values: npt.NDArray[np.generic], what: str
) -> None:
    if strange.any():
        raise ContractError(
            f"the {name} is {values[strange][0]} and thus {what} in {strange.sum()} of "
            f"{len(values)} rows. Leave these rows out, or give a number (0: nothing happened)."
        )


@dataclass(frozen=True, eq=False)
class CodedLog:
    """Rows ready for any number of trees.

    Attributes:
        bins: How the codes were made.
        layout: How the values were made.
        codes: Shape (n, d).
        levels: Categories, shape (n, c).
        arm: Shape (n,).
        values: What each row adds to a sum, shape (n, width).
        keys: Shape (n,).
        n_arms: K + 1.
    """

    bins: Bins
    layout: Layout
    codes: Codes
    levels: Levels
    arm: Codes
    values: Sums
    keys: Keys
    n_arms: int

    @property
    def level_place(self) -> npt.NDArray[np.int64]:
        """Which column of ``levels`` each feature is, -1 for a number, shape (d,)."""
        place = np.full(self.bins.n_features, -1, dtype=np.int64)
        place[self.bins.categorical] = np.arange(len(self.bins.categorical))
        return place

    def sample(self, rows: Places, features: npt.NDArray[np.int64], level_bin: Codes) -> Sample:
        """Some rows with some features, their categories in the bins that a tree gave them.

        Args:
            rows: Row numbers.
            features: Columns, ascending.
            level_bin: Bin of every level, shape (c, 65,536).
        """
        codes = take_codes(
            self.codes, self.levels, rows, features, self.level_place[features], level_bin
        )
        return Sample(codes, self.arm[rows], self.values[rows])


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
        return CodedLog(
            bins=self.bins,
            layout=self.layout,
            codes=codes,
            levels=levels,
            arm=rows.arm.astype(np.uint8),
            values=columns(rows.outcome, weight, self.layout),
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
    mean = mean_propensity(rows.arm, rows.propensity)
    weight = row_weights(rows.arm, rows.propensity, rows.weight, mean)
    return LogPlan(
        bins=fit_bins(rows.features, categorical=categorical, max_bins=max_bins, sample=few),
        layout=extent(rows.outcome, weight).layout(needs_squares=needs_squares),
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
