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

_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = np.uint64(0x94D049BB133111EB)

# A 16-bit draw at or above k of these is a weight of k: the distribution function of Poisson(1)
# times 65,536, rounded. The mean is exactly 1, the variance .99997, the largest weight 8.
POISSON_STEPS = np.array([24109, 48219, 60273, 64292, 65296, 65497, 65531, 65535], dtype=np.uint16)
_LARGEST_WEIGHT = len(POISSON_STEPS)
_LANES = 4  # 16-bit draws in one 64-bit hash

_ROWS_AT_ONCE = 2048  # 200 replicates of these fit a core's cache
_MANTISSA_BITS = 53


def splitmix64(state: Keys) -> Keys:
    """Scramble 64-bit integers: the finaliser of Steele, Lea and Flood's SplitMix (2014)."""
    mixed = state.copy()
    mixed ^= mixed >> np.uint64(30)
    mixed *= _FIRST_FACTOR
    mixed ^= mixed >> np.uint64(27)
    mixed *= _SECOND_FACTOR
    mixed ^= mixed >> np.uint64(31)
    return mixed


def poisson_weights(keys: Keys, *, replicates: int, seed: int) -> npt.NDArray[np.uint8]:
    """How often each unit counts in each bootstrap replicate.

    Args:
        keys: Key of the randomisation unit, shape (n,); equal keys draw equal weights.
        replicates: R.
        seed: Another seed, other draws.

    Returns:
        Poisson(1) counts, shape (n, R). Memory is n x R bytes: ask in portions.
    """
    start = splitmix64(np.array([seed], dtype=np.int64).astype(np.uint64))
    groups = np.arange(1, -(-replicates // _LANES) + 1, dtype=np.uint64) * _GOLDEN_GAMMA
    hashes = splitmix64(splitmix64(keys + start)[:, np.newaxis] + groups)
    draws = hashes.astype("<u8", copy=False).view("<u2")[:, :replicates]
    weights = np.zeros(draws.shape, dtype=np.uint8)
    for step in POISSON_STEPS:
        weights += draws >= step
    return weights


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
    order = np.argsort(cells) if replicates else np.empty(0, dtype=np.int64)
    reused = np.empty((_ROWS_AT_ONCE, replicates))  # fresh memory for each portion costs a third
    for begin in range(0, len(order), _ROWS_AT_ONCE):
        rows = order[begin : begin + _ROWS_AT_ONCE]
        cell = cells[rows]
        weights = reused[: len(rows)]
        weights[:] = poisson_weights(keys[rows], replicates=replicates, seed=seed)
        touched = slice(int(cell[0]), int(cell[-1]) + 1)
        starts = np.searchsorted(cell, np.arange(touched.start, touched.stop + 1))
        for column, of_column in zip(values[rows].T, sums, strict=True):
            by_cell = sparse.csr_matrix(
                (column, np.arange(len(rows)), starts), shape=(len(starts) - 1, len(rows))
            )
            of_column[touched, 1:] += by_cell @ weights
    return np.ascontiguousarray(sums.transpose(2, 1, 0))
