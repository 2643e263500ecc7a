"""What a row adds to the sums: whole numbers, so that no order of adding can change a forest.

Outcomes and weights are rounded once to multiples of a power of two that leaves room for all rows
in 62 bits (a million rows keep about 40 binary places). Sums of whole numbers are the same over
one partition or many, forwards or backwards, and a sibling is the exact rest of its parent.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Vector: TypeAlias = npt.NDArray[np.float64]
Matrix: TypeAlias = npt.NDArray[np.float64]
Sums: TypeAlias = npt.NDArray[np.int64]

_ROOM = 62  # bits that a sum may fill
_HALF_WORD = 32
_LEAST_TOTAL = 1e-200  # a log whose outcomes are all zero needs a unit too


class Layout(NamedTuple):
    """How the numbers of a cell are stored; one cell per node, feature, bin and arm.

    ``width`` numbers: n and the sum of y in one word if ``is_packed`` (0/1 outcomes without
    weights); else n, then the sum of weights if ``is_weighted``, the sum of w y, and the sum of
    w y^2 if ``has_squares``. If ``is_scored`` a row has a score for every arm instead of an outcome
    in one: it adds w y to the cells of all arms, and is counted in that of its own.

    Attributes:
        is_packed: n stands in the upper half of a word, the sum of y in the lower.
        is_scored: Rows add to the cells of all arms.
        is_weighted: Rows have weights.
        is_binary: Outcomes are 0 or 1, so that y^2 is y.
        has_squares: The criterion needs the spread of the outcome.
        weight_unit: What one unit of a stored weight is worth.
        outcome_unit: What one unit of a stored w y is worth.
        square_unit: What one unit of a stored w y^2 is worth.
    """

    is_packed: bool
    is_scored: bool
    is_weighted: bool
    is_binary: bool
    has_squares: bool
    weight_unit: float
    outcome_unit: float
    square_unit: float

    @property
    def width(self) -> int:
        """Numbers per cell."""
        return 1 if self.is_packed else 2 + int(self.is_weighted) + int(self.has_squares)


@dataclass(frozen=True)
class Extent:
    """What must be known of all rows before any of them is rounded; maxima, so additive too."""

    n_rows: int
    largest_weight: float
    largest_outcome: float
    is_binary: bool
    is_weighted: bool
    is_scored: bool = False

    def layout(self, *, needs_squares: bool) -> Layout:
        """The finest rounding that cannot overflow."""
        return Layout(
            is_packed=(
                self.is_binary
                and not (self.is_weighted or self.is_scored)
                and self.n_rows < 1 << _HALF_WORD
            ),
            is_scored=self.is_scored,
            is_weighted=self.is_weighted,
            is_binary=self.is_binary and not self.is_scored,
            has_squares=needs_squares and not self.is_binary,
            weight_unit=_unit(self.n_rows, self.largest_weight),
            outcome_unit=_unit(self.n_rows, self.largest_weight * self.largest_outcome),
            square_unit=_unit(self.n_rows, self.largest_weight * self.largest_outcome**2),
        )


def extent(outcome: Vector | Matrix, weight: Vector | None) -> Extent:
    """The extent of some rows: of their outcomes (n,), or of their scores (n, n_arms)."""
    return Extent(
        n_rows=len(outcome),
        largest_weight=1.0 if weight is None else float(weight.max(initial=0.0)),
        largest_outcome=float(np.abs(outcome).max(initial=0.0)),
        is_binary=bool(np.isin(outcome, (0.0, 1.0)).all()),
        is_weighted=weight is not None,
        is_scored=outcome.ndim == 2,
    )


def _unit(n_rows: int, largest: float) -> float:
    """The smallest power of two u for which n_rows * largest / u stays within the room."""
    total = max(n_rows * largest, _LEAST_TOTAL)
    return float(2.0 ** (np.ceil(np.log2(total)) - _ROOM + 1))


def columns(outcome: Vector, weight: Vector | None, layout: Layout) -> Sums:
    """What each row adds to its cell, shape (n, width)."""
    if layout.is_packed:
        return (np.int64(1) << _HALF_WORD) + outcome.astype(np.int64)[:, None]
    weighted = outcome if weight is None else weight * outcome
    parts = [np.ones(len(outcome), dtype=np.int64)]
    if weight is not None:
        parts.append(_rounded(weight, layout.weight_unit))
    parts.append(_rounded(weighted, layout.outcome_unit))
    if layout.has_squares:
        parts.append(_rounded(weighted * outcome, layout.square_unit))
    return np.stack(parts, axis=1)


def score_columns(
    scores: Matrix, arm: npt.NDArray[np.integer], weight: Vector | None, layout: Layout
) -> Sums:
    """What each row adds to the cells of all arms, shape (n, n_arms * width)."""
    n_rows, n_arms = scores.shape
    weights = np.ones(n_rows) if weight is None else weight
    parts = [(arm[:, None] == np.arange(n_arms)).astype(np.int64)]
    if weight is not None:
        parts.append(np.repeat(_rounded(weight, layout.weight_unit)[:, None], n_arms, axis=1))
    parts.append(_rounded(weights[:, None] * scores, layout.outcome_unit))
    return np.stack(parts, axis=2).reshape(n_rows, -1)


def _rounded(values: Vector | Matrix, unit: float) -> Sums:
    return np.rint(values / unit).astype(np.int64)


class Moments(NamedTuple):
    """Sums as numbers with units: rows, weight, w y and w y^2, all of one shape."""

    n: Vector
    weight: Vector
    outcome: Vector
    square: Vector


def moments(sums: Sums, layout: Layout) -> Moments:
    """Read sums of shape (..., n_arms, width); without stored squares w y^2 is w y.

    Where rows have scores, each weighs in every arm.
    """
    if layout.is_packed:
        n = (sums[..., 0] >> _HALF_WORD).astype(np.float64)
        outcome = (sums[..., 0] & 0xFFFFFFFF).astype(np.float64)
        return Moments(n, n, outcome, outcome)
    stored = sums.astype(np.float64)
    place = 2 if layout.is_weighted else 1
    outcome = stored[..., place] * layout.outcome_unit
    n = stored[..., 0]
    if layout.is_weighted:
        weight = stored[..., 1] * layout.weight_unit
    elif layout.is_scored:
        weight = np.repeat(n.sum(axis=-1, keepdims=True), n.shape[-1], axis=-1)
    else:
        weight = n
    return Moments(
        n=n,
        weight=weight,
        outcome=outcome,
        square=stored[..., place + 1] * layout.square_unit if layout.has_squares else outcome,
    )
