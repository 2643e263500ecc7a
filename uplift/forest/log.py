"""The log as a forest sees it: checked, and coded; one partition of it or the whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from uplift.errors import ContractError, ExperimentError, OverlapError
from uplift.forest.bins import Bins, Codes, Levels, Matrix, Vector
from uplift.forest.histograms import Sample, Sums, take_codes
from uplift.forest.moments import Layout
from uplift.forest.sampling import Keys, Places

ArmVector: TypeAlias = npt.NDArray[np.integer]

MOST_ARMS = 256


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
        expected: Of helper models that have not seen the row: its expected outcome in every arm,
            shape (n, K + 1). Then the forest looks at doubly robust scores instead of outcomes, and
            its answers are right if either these or the propensities are; what features tell of
            the outcome, but not of the effect, no longer makes noise.
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
    expected: Matrix | None = None

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
        if self.expected is not None:
            shape = (len(self.arm), self.expected.shape[-1])
            if self.expected.shape != shape or not np.isfinite(self.expected).all():
                raise ContractError(
                    f"expected outcomes have shape {self.expected.shape}, some of them no numbers; "
                    f"{len(self.arm)} rows need one finite number per arm each."
                )

    def scores(self) -> Matrix:
        """Gamma_k = m_k + 1{W = k} (Y - m_k) / e_k for every arm, shape (n, K + 1).

        The mean of Gamma_k given the features is the expected outcome in arm k if either m_k or
        e_k is right (Robins, Rotnitzky and Zhao, JASA 1994).
        """
        assert self.expected is not None
        rows = np.arange(len(self.arm))
        scores = self.expected.copy()
        drawn = scores[rows, self.arm]
        scores[rows, self.arm] += (self.outcome - drawn) / self.propensity
        return scores

    def require_arms(self, n_arms: int) -> None:
        """Every arm 0..n_arms-1 must occur, and no other."""
        unknown = (self.arm < 0) | (self.arm >= n_arms)
        if not 2 <= n_arms <= MOST_ARMS or unknown.any():
            raise ContractError(
                f"arms must be numbers from 0 to {n_arms - 1}, 2 to {MOST_ARMS} of them; "
                f"{unknown.sum()} of {len(self.arm)} rows have another. Map names with "
                "`Arms.numbers`."
            )
        if self.expected is not None and self.expected.shape[1] != n_arms:
            raise ContractError(
                f"there are expected outcomes of {self.expected.shape[1]} arms for {n_arms} arms."
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
        values: What each row adds to sums; see ``uplift.forest.histograms``.
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
