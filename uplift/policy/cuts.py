"""Find where a ranking passes a limit from two small histograms, exactly and in any row order.

Values are sorted into *cells*: neighbouring floats that agree in their leading bits. Cells keep
the order of the values and are equally fine, relatively, at every magnitude. A coarse histogram
tells in which cell the running total of weights passes the limit, a fine one looks inside that
cell. Weights are integers, so no order of addition changes a sum: whoever fills the histograms,
numpy or Spark, the cut is the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Integers: TypeAlias = npt.NDArray[np.int64]

COARSE_SHIFT = 40  # keeps 12 bits of the mantissa: cells of one part in 4,096
FINE_SHIFT = 20  # keeps 32 bits: values that agree to nine digits are equal
_ALL_BUT_SIGN = np.int64(0x7FFF_FFFF_FFFF_FFFF)


@dataclass(frozen=True)
class Histogram:
    """Total weight of each cell that holds anything, highest cell first; both of shape (m,)."""

    cell: Integers
    weight: Integers


FillHistogram: TypeAlias = Callable[[int, Sequence[int] | None], Histogram]
"""Takes a shift and the coarse cells to look into (None: all)."""


def cells_of(values: npt.ArrayLike, shift: int) -> Integers:
    """The cell of each value, in the order of the values; -0.0 is 0.0."""
    bits = (np.asarray(values, dtype=np.float64) + 0.0).view(np.int64)
    ordered: Integers = np.where(bits < 0, bits ^ _ALL_BUT_SIGN, bits) >> shift
    return ordered


def lower_edge(cell: int, shift: int) -> float:
    """The least value in a cell."""
    ordered = np.int64(cell) << np.int64(shift)
    bits = ordered ^ _ALL_BUT_SIGN if ordered < 0 else ordered
    return float(np.int64(bits).view(np.float64))


def histogram(
    values: npt.ArrayLike, weights: Integers, shift: int, within: Sequence[int] | None = None
) -> Histogram:
    """Add up weights by cell, only of values inside the coarse cells ``within`` if given."""
    if within is not None:
        inside = np.isin(cells_of(values, COARSE_SHIFT), within)
        values, weights = np.asarray(values)[inside], weights[inside]
    return merge(cells_of(values, shift), weights)


def merge(cells: Integers, weights: Integers) -> Histogram:
    """Add up weights of equal cells."""
    found, place = np.unique(cells, return_inverse=True)
    totals = np.zeros(len(found), dtype=np.int64)
    np.add.at(totals, place, weights)
    return Histogram(found[::-1], totals[::-1])


def crossing_cells(fill: FillHistogram, limits: Sequence[int]) -> list[int | None]:
    """For each limit, the fine cell whose weight takes the running total above it.

    The total runs from the highest value down. All values above that cell fit within the limit;
    None where everything fits. Equal values share a cell, so they fit together or not at all.
    """
    coarse = fill(COARSE_SHIFT, None)
    found = [_crossing(coarse, limit) for limit in limits]
    within = sorted({cell for cell, _ in filter(None, found)})
    if not within:
        return [None] * len(limits)
    fine = fill(FINE_SHIFT, within)
    return [
        None if crossing is None else _crossing_inside(fine, *crossing, limit)
        for limit, crossing in zip(limits, found, strict=True)
    ]


def _crossing_inside(fine: Histogram, parent: int, above: int, limit: int) -> int:
    """The fine cell within coarse cell ``parent`` that takes the total above ``limit``."""
    inside = fine.cell >> (COARSE_SHIFT - FINE_SHIFT) == parent
    totals = above + np.cumsum(fine.weight[inside])
    return int(fine.cell[inside][np.searchsorted(totals, limit, side="right")])


def _crossing(histogram: Histogram, limit: int) -> tuple[int, int] | None:
    """The first cell that takes the total above ``limit``, and the total before it."""
    totals = np.cumsum(histogram.weight)
    place = int(np.searchsorted(totals, limit, side="right"))
    if place == len(totals):
        return None
    return int(histogram.cell[place]), int(totals[place] - histogram.weight[place])
