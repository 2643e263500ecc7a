"""Features become bytes: bins between observed values, the categories as they are.

The edges are plain arrays, so that quantiles of a sample, of a sketch or of a whole cluster can
give them. A code means the same here and in the compiled forest, for every float: a value lies in
bin j if j edges are below it, and a magnitude that the compiled forest takes for zero is zero.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from uplift.ensemble.decisions import ZERO
from uplift.errors import ContractError

Matrix: TypeAlias = npt.NDArray[np.float64]
Vector: TypeAlias = npt.NDArray[np.float64]
Codes: TypeAlias = npt.NDArray[np.uint8]
Levels: TypeAlias = npt.NDArray[np.uint16]

MOST_BINS = 254  # of known values; one more code is for missing ones
MOST_LEVELS = 65_000
MISSING_LEVEL = np.uint16(65_535)

_CHUNK = 1 << 17  # rows coded in one call


@dataclass(frozen=True, eq=False)
class Bins:
    """How every feature is cut.

    Attributes:
        edges: Per feature the largest value of every bin but the last, ascending; empty for a
            categorical one.
        n_levels: Per feature the number of categories 0..n-1; 0 for a number.
    """

    edges: tuple[Vector, ...]
    n_levels: tuple[int, ...]

    def __post_init__(self) -> None:
        for column, (edges, n_levels) in enumerate(zip(self.edges, self.n_levels, strict=True)):
            if len(edges) >= MOST_BINS or np.isnan(edges).any() or (np.diff(edges) <= 0.0).any():
                raise ContractError(
                    f"the {len(edges)} edges of feature {column} are not ascending numbers, fewer "
                    f"than {MOST_BINS}. Take them from `quantile_edges`."
                )
            if n_levels > MOST_LEVELS:
                raise ContractError(
                    f"feature {column} has categories up to {n_levels - 1}, the forest takes "
                    f"{MOST_LEVELS}. Fold its rare categories before training."
                )

    @property
    def n_features(self) -> int:
        """d: width of the feature matrix."""
        return len(self.edges)

    @cached_property
    def categorical(self) -> npt.NDArray[np.int64]:
        """The columns whose numbers are categories."""
        return np.flatnonzero(np.asarray(self.n_levels) > 0)

    @cached_property
    def first_bin(self) -> npt.NDArray[np.int64]:
        """Where each feature's bins start in a node's histogram, and the end, shape (d + 1,).

        The last bin of a feature holds its missing values.
        """
        known = [
            min(levels, MOST_BINS) if levels else len(edges) + 1
            for edges, levels in zip(self.edges, self.n_levels, strict=True)
        ]
        return np.concatenate([[0], np.cumsum(np.asarray(known, dtype=np.int64) + 1)])


def settled(values: Vector) -> Vector:
    """``values`` with every magnitude that counts as zero set to zero."""
    return np.where(np.abs(values) <= ZERO, 0.0, values)


def quantile_edges(values: Vector, *, max_bins: int = MOST_BINS) -> Vector:
    """Edges that cut ``values`` into at most ``max_bins`` bins of about equal size.

    Every edge is an observed value. With few distinct values each has a bin of its own. NaN is
    left out.

    Examples:
        >>> quantile_edges(np.array([3.0, 1.0, 2.0, np.nan, 2.0]))
        array([1., 2.])
        >>> quantile_edges(np.arange(9.0), max_bins=3)
        array([2., 5.])
    """
    known = np.sort(settled(values[~np.isnan(values)]))
    distinct = np.unique(known)
    if len(distinct) > max_bins:
        ranks = np.arange(1, max_bins + 1) * len(known) // max_bins - 1
        distinct = np.unique(known[ranks])
    return distinct[:-1]


def fit_bins(
    features: Matrix,
    *,
    categorical: Sequence[int] = (),
    max_bins: int = MOST_BINS,
    sample: npt.NDArray[np.int64] | None = None,
) -> Bins:
    """Bins from quantiles of the numbers and from the largest category.

    Args:
        features: Shape (n, d); NaN is missing.
        categorical: Columns whose numbers are categories.
        max_bins: Most bins of a number, 2 to 254, missing ones not counted.
        sample: Rows that the quantiles are taken from; None takes all.

    Raises:
        ContractError: There are more categories than the forest takes, or max_bins is out of range.
    """
    if not 2 <= max_bins <= MOST_BINS:
        raise ContractError(f"max_bins is {max_bins}; it must lie between 2 and {MOST_BINS}.")
    is_categorical = np.isin(np.arange(features.shape[1]), categorical)
    edges, n_levels = [], []
    for column in range(features.shape[1]):
        values = features[:, column]
        if is_categorical[column]:
            largest = np.max(values, initial=-1.0, where=(values > -1.0) & (values < 2.0**31))
            edges.append(np.empty(0))
            n_levels.append(max(int(largest) + 1, 1))
        else:
            drawn = values if sample is None else values[sample]
            edges.append(quantile_edges(drawn, max_bins=max_bins))
            n_levels.append(0)
    return Bins(tuple(edges), tuple(n_levels))


def code_rows(
    features: Matrix, bins: Bins, workers: Executor | None = None
) -> tuple[Codes, Levels]:
    """The bin of every number, shape (n, d), and the level of every category, shape (n, c).

    A categorical column is 0 in the first table: which bin a level falls into is each tree's own
    business (``uplift.forest.categories``). Missing numbers get the feature's last code, and what
    the compiled forest would call no category, or no known one, gets ``MISSING_LEVEL``.
    """
    codes = np.zeros(features.shape, dtype=np.uint8)
    levels = np.empty((len(features), len(bins.categorical)), dtype=np.uint16)
    starts = np.concatenate([[0], np.cumsum([len(edges) for edges in bins.edges])])
    flat = np.concatenate([*bins.edges, np.empty(0)])
    n_levels = np.asarray(bins.n_levels, dtype=np.int64)

    def code_chunk(start: int) -> None:
        part = slice(start, start + _CHUNK)
        _code(features[part], flat, starts, n_levels, codes[part], levels[part])

    spread = map if workers is None else workers.map
    list(spread(code_chunk, range(0, len(features), _CHUNK)))
    return codes, levels


@njit(nogil=True, cache=True)
def _code(
    features: Matrix,
    edges: Vector,
    starts: npt.NDArray[np.int64],
    n_levels: npt.NDArray[np.int64],
    codes: Codes,
    levels: Levels,
) -> None:
    place = 0
    for column in range(features.shape[1]):
        if n_levels[column] > 0:
            for row in range(len(features)):
                value = features[row, column]
                known = -1.0 < value < n_levels[column]
                levels[row, place] = np.uint16(int(value)) if known else MISSING_LEVEL
            place += 1
            continue
        own = edges[starts[column] : starts[column + 1]]
        for row in range(len(features)):
            value = features[row, column]
            if np.isnan(value):
                codes[row, column] = len(own) + 1
                continue
            if abs(value) <= ZERO:
                value = 0.0
            low, high = 0, len(own)
            while low < high:
                middle = (low + high) >> 1
                if value <= own[middle]:
                    high = middle
                else:
                    low = middle + 1
            codes[row, column] = low
