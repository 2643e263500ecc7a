"""Between Arrow batches, as Spark's Python tasks see them, and numpy."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Matrix = npt.NDArray[np.float64]


def to_lists(matrix: Matrix) -> pa.ListArray:
    """One list per row of ``matrix``, shape (n, k)."""
    rows, width = matrix.shape
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, matrix.ravel())


def to_matrix(lists: pa.ListArray, width: int) -> Matrix:
    """The lists as rows, shape (n, width); each must have exactly ``width`` numbers."""
    matrix: Matrix = lists.flatten().to_numpy().reshape(len(lists), width)
    return matrix


def to_booleans(values: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    """Null is no."""
    booleans: npt.NDArray[np.bool_] = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return booleans
