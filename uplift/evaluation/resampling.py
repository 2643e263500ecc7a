"""The bootstrap without resampling rows: every randomisation unit draws a weight per replicate.

The weight is a Poisson(1) count hashed from the unit's key, the seed and the replicate's number.
All rows of a unit share it, on whatever machine they lie, so intervals respect the randomisation
unit and nothing has to be stored or shipped. Replicate 0 is the data themselves.

Sums must not depend on the order of rows or on Spark's partitions. So every value is first
rounded to a grid (a power of two far below any standard error) on which floating-point addition
is exact: the same rows give the same bits, added in any order.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
_Real = npt.NDArray[np.float32] | npt.NDArray[np.float64]

_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = np.uint64(0x94D049BB133111EB)

# A 16-bit draw at or above k of these is a weight of k: the distribution function of Poisson(1)
# times 65,536, rounded. The mean is exactly 1, the variance .99997, the largest weight 8.
POISSON_STEPS = np.array([24109, 48219, 60273, 64292, 65296, 65497, 65531, 65535], dtype=np.uint16)
_LARGEST_WEIGHT = len(POISSON_STEPS)
_LANES = 4  # 16-bit draws in one 64-bit hash

_DRAWS_AT_ONCE = 400_000  # these and their weights stay in a core's cache
_FEWEST_ROWS_AT_ONCE = 64
_MANTISSA_BITS = 53


def splitmix64(state: Keys) -> Keys:
    """Scramble 64-bit integers: the finaliser of Steele, Lea and Flood's SplitMix (2014)."""
    mixed = state.copy()
    _scramble(mixed, np.empty_like(mixed))
    return mixed


def _scramble(state: Keys, scratch: Keys) -> None:
    """In place."""
    for shift, factor in ((30, _FIRST_FACTOR), (27, _SECOND_FACTOR)):
        np.right_shift(state, np.uint64(shift), out=scratch)
        np.bitwise_xor(state, scratch, out=state)
        np.multiply(state, factor, out=state)
    np.right_shift(state, np.uint64(31), out=scratch)
    np.bitwise_xor(state, scratch, out=state)


def poisson_weights(keys: Keys, *, replicates: int, seed: int) -> npt.NDArray[np.uint8]:
    """How often each unit counts in each bootstrap replicate.

    Args:
        keys: Key of the randomisation unit, shape (n,); equal keys draw equal weights.
        replicates: R.
        seed: Another seed, other draws.

    Returns:
        Poisson(1) counts, shape (n, R). Memory is 4 n x R bytes: ask in portions.
    """
    return _Draws(len(keys), replicates=replicates, seed=seed).of(keys)


class _Draws:
    """Weights of at most ``rows`` units at a time, in the same memory each time.

    Fresh memory for each portion costs more than all the arithmetic.
    """

    def __init__(self, rows: int, *, replicates: int, seed: int) -> None:
        groups = -(-replicates // _LANES)
        self._start = splitmix64(np.array([seed], dtype=np.int64).astype(np.uint64))
        self._strides = np.arange(1, groups + 1, dtype=np.uint64) * _GOLDEN_GAMMA
        self._hashes = np.empty((rows, groups), dtype=np.uint64)
        self._scratch = np.empty_like(self._hashes)
        self._weights = np.empty((rows, groups * _LANES), dtype=np.uint8)
        self._reached = np.empty(self._weights.shape, dtype=np.bool_)
        self._replicates = replicates

    def of(self, keys: Keys) -> npt.NDArray[np.uint8]:
        """A view that the next call overwrites, shape (n, R)."""
        n = len(keys)
        hashes, weights, reached = self._hashes[:n], self._weights[:n], self._reached[:n]
        np.add(splitmix64(keys + self._start)[:, np.newaxis], self._strides, out=hashes)
        _scramble(hashes, self._scratch[:n])
        draws = hashes.astype("<u8", copy=False).view("<u2")
        np.greater_equal(draws, POISSON_STEPS[0], out=weights.view(np.bool_))
        for step in POISSON_STEPS[1:]:
            np.greater_equal(draws, step, out=reached)
            np.add(weights, reached.view(np.uint8), out=weights)
        return weights[:, : self._replicates]


def exact_grid(largest: float, n_rows: int) -> float:
    """The coarsest rounding at which any weighted sum of ``n_rows`` values stays exact.

    Integers survive unchanged as long as ``largest x n_rows`` is below 2**47. Otherwise a value
    moves by at most ``largest x n_rows x 2**-48``, at random up or down: at ten million rows four
    parts in 10**8 of the largest value.
    """
    if largest == 0.0:
        return 1.0
    # frexp: largest < 2**exponent, without the rounding of a logarithm.
    bits = math.frexp(largest)[1] + (n_rows * (_LARGEST_WEIGHT + 1)).bit_length()
    return math.ldexp(1.0, bits - _MANTISSA_BITS)


def round_to(values: Floats, grid: float) -> Floats:
    """The nearest multiples of ``grid``."""
    return np.rint(values / grid) * grid


def cell_sums(cells: Ints, values: Floats, *, n_cells: int) -> Floats:
    """Plain sums of several values per cell; exact if the values lie on an ``exact_grid``.

    Args:
        cells: The cell of each row, shape (n,), in 0..n_cells - 1.
        values: What to add up, shape (n, V).
        n_cells: How many cells there are.

    Returns:
        Shape (n_cells, V).
    """
    return np.stack([np.bincount(cells, column, n_cells) for column in values.T], axis=1)


def replicate_sums(
    cells: Ints, values: Floats, keys: Keys, *, n_cells: int, replicates: int, seed: int
) -> Floats:
    """Weighted sums of several values per cell, for the data and for every replicate.

    Exact, and so independent of the order of rows, if the values lie on an ``exact_grid``.

    Args:
        cells: The cell of each row, shape (n,), in 0..n_cells - 1.
        values: What to add up, shape (n, V).
        keys: Keys of the randomisation units, shape (n,).
        n_cells: How many cells there are.
        replicates: R.
        seed: Of the bootstrap weights.

    Returns:
        Shape (R + 1, n_cells, V); entry 0 is unweighted.
    """
    sums = np.zeros((values.shape[1], n_cells, replicates + 1))
    sums[:, :, 0] = cell_sums(cells, values, n_cells=n_cells).T
    if replicates:
        # numpy sorts 16-bit numbers by their digits, ten times as fast
        small = cells.astype(np.uint16) if n_cells <= 2**16 else cells
        order = np.argsort(small, kind="stable")
        at_once = max(_DRAWS_AT_ONCE // replicates, _FEWEST_ROWS_AT_ONCE)
        draws = _Draws(min(at_once, len(cells)), replicates=replicates, seed=seed)
        for begin in range(0, len(order), at_once):
            rows = order[begin : begin + at_once]
            _add_portion(sums[:, :, 1:], cells[rows], values[rows], draws.of(keys[rows]))
    return np.ascontiguousarray(sums.transpose(2, 1, 0))


def _add_portion(sums: Floats, cells: Ints, values: Floats, weights: npt.NDArray[np.uint8]) -> None:
    """Add the weighted values of some rows in the order of cells to ``sums``, (V, n_cells, R)."""
    first, edges = int(cells[0]), np.arange(int(cells[0]), int(cells[-1]) + 2)
    counts = weights.astype(np.float32)
    for column, of_column in zip(values.T, sums, strict=True):
        rows = np.flatnonzero(column)
        if not len(rows):
            continue
        starts = np.searchsorted(cells[rows], edges)
        filled = np.flatnonzero(starts[:-1] < starts[1:])
        starts, value, cell = np.append(starts[filled], len(rows)), column[rows], first + filled
        each = value[starts[:-1]]
        if (np.repeat(each, np.diff(starts)) == value).all():
            # One value throughout a cell: counting its units is as exact, in half the memory.
            ones = np.ones(len(rows), dtype=np.float32)
            of_column[cell] += _segment_sums(ones, rows, starts, counts) * each[:, np.newaxis]
        else:
            chosen = weights[rows].astype(np.float64)
            of_column[cell] += _segment_sums(value, np.arange(len(rows)), starts, chosen)


def _segment_sums(value: _Real, rows: Ints, starts: Ints, weights: _Real) -> _Real:
    """Sums of value x the weights of its row, from one start to the next, shape (segments, R)."""
    matrix = sparse.csr_matrix((value, rows, starts), shape=(len(starts) - 1, len(weights)))
    return np.asarray(matrix @ weights)
