"""The walk through the trees, compiled by numba on first use and cached beside this file.

No fast-math: sums are taken in the order of the trees, so a row's answer has the same bits in a
batch of a million as alone.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from uplift.ensemble.decisions import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN, MISSING_ZERO, ZERO

Matrix = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int32]


@njit(nogil=True, cache=True)
def logistic(answer: Matrix, sigmoid: float) -> None:
    """Replace every sum of leaves by its probability."""
    for row in range(answer.shape[0]):
        for output in range(answer.shape[1]):
            answer[row, output] = 1.0 / (1.0 + math.exp(-sigmoid * answer[row, output]))


@njit(nogil=True, cache=True, inline="always")
def _goes_left(
    value: float,
    threshold: float,
    decision: int,
    set_start: Integers,
    set_words: npt.NDArray[np.uint32],
) -> bool:
    if decision & CATEGORICAL:
        if not (-1.0 < value < 2147483648.0):
            return False
        category = int(value)
        start = set_start[int(threshold)]
        word = start + category // 32
        return bool(
            word < set_start[int(threshold) + 1] and (set_words[word] >> (category % 32)) & 1
        )
    if math.isnan(value):
        if decision & (MISSING_NAN | MISSING_ZERO):
            return decision & DEFAULT_LEFT > 0
        value = 0.0
    if abs(value) <= ZERO:
        if decision & MISSING_ZERO:
            return decision & DEFAULT_LEFT > 0
        value = 0.0
    return value <= threshold


@njit(nogil=True, cache=True)
def walk(
    features: Matrix,
    roots: Integers,
    first_output: Integers,
    feature: Integers,
    threshold: Matrix,
    decision: npt.NDArray[np.uint8],
    left: Integers,
    right: Integers,
    set_start: Integers,
    set_words: npt.NDArray[np.uint32],
    leaf_values: Matrix,
    n_outputs: int,
) -> Matrix:
    """Sum of leaves of every row, shape (n, n_outputs)."""
    answer = np.zeros((features.shape[0], n_outputs))
    for row in range(features.shape[0]):
        for tree in range(len(roots)):
            node = roots[tree]
            while node >= 0:
                value = features[row, feature[node]]
                if _goes_left(value, threshold[node], decision[node], set_start, set_words):
                    node = left[node]
                else:
                    node = right[node]
            for output in range(leaf_values.shape[1]):
                answer[row, first_output[tree] + output] += leaf_values[~node, output]
    return answer
