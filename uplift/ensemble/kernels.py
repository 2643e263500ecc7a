"""The compiled kernels: numba builds them on first use and caches them beside this file.

No fast-math, and sums are taken in the order of the trees: a row's answer has the same bits alone
and in a batch of a million.
"""

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.cpython.unsafe.numbers import trailing_zeros

from uplift.ensemble.decisions import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN, MISSING_ZERO, ZERO

Matrix: TypeAlias = npt.NDArray[np.float64]
Vector: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int32]
Naturals: TypeAlias = npt.NDArray[np.uint32]
Bits: TypeAlias = npt.NDArray[np.uint32] | npt.NDArray[np.uint64]

BLOCK = 256  # rows whose codes and masks stay in the innermost caches
FEW = 12  # with fewer rows it pays to take each alone


class MaskLayout(NamedTuple):
    """T trees, N nodes and C columns as the kernel wants them; made by ``uplift.ensemble.masks``.

    It stands here because numba looks at this file alone when it asks whether its cache is stale.

    Attributes:
        column_feature: The feature each column is of, shape (C,).
        column_decision: How its missing values are treated, or that it is categorical, shape (C,).
        column_start: Where its thresholds start, and the end, shape (C + 1,).
        threshold: All thresholds, column by column in ascending order, shape (N,).
        threshold_tree: The tree of each threshold's node, shape (N,).
        threshold_mask: What stays possible if that node fails, shape (N,).
        tree_start: Where the nodes of each tree start, and the end, shape (T + 1,).
        node_column: Column of each node, tree by tree, shape (N,).
        node_place: Where its threshold stands in ``threshold``, shape (N,).
        node_mask: What stays possible if it fails, shape (N,).
        first_output: The output that the first entry of the tree's leaves is added to, shape (T,).
        leaf_values: Leaves from left to right, shape (T, most leaves of a tree, W).
        set_start: Where each category set starts in ``set_words``, and the end.
        set_words: Members of the category sets as bits.
    """

    column_feature: Naturals
    column_decision: npt.NDArray[np.uint8]
    column_start: Naturals
    threshold: npt.NDArray[np.float64]
    threshold_tree: Naturals
    threshold_mask: Bits
    tree_start: Naturals
    node_column: Naturals
    node_place: Naturals
    node_mask: Bits
    first_output: Naturals
    leaf_values: npt.NDArray[np.float64]
    set_start: npt.NDArray[np.int32]
    set_words: Naturals


@njit(nogil=True, cache=True)
def _lowest(bits: Any) -> int:
    """Place of the lowest set bit."""
    return trailing_zeros(bits)  # type: ignore[call-arg]


@njit(nogil=True, cache=True)
def _settled(value: float, decision: int) -> float:
    """What to hold against a threshold: minus infinity always goes left, NaN always right."""
    is_missing = decision & MISSING_ZERO
    if math.isnan(value):
        is_missing |= decision & MISSING_NAN
    elif abs(value) > ZERO:
        return value
    if is_missing:
        return -math.inf if decision & DEFAULT_LEFT else math.nan
    return 0.0


@njit(nogil=True, cache=True)
def _category(value: float) -> np.uint32:
    """The category that a value stands for; the largest number is in no set."""
    return np.uint32(value) if -1.0 < value < 2147483648.0 else np.uint32(0xFFFFFFFF)


@njit(nogil=True, cache=True)
def _is_member(
    category: np.uint32, number: float, set_start: Integers, set_words: Naturals
) -> bool:
    """Whether the category set of that number has the category."""
    start, end = set_start[int(number)], set_start[int(number) + 1]
    word = start + int(category >> 5)
    return bool((word < end) & (set_words[min(word, end - 1)] >> (category & 31)) & 1)


@njit(nogil=True, cache=True)
def goes_left(
    value: float,
    threshold: Vector,
    decision: npt.NDArray[np.uint8],
    set_start: Integers,
    set_words: Naturals,
) -> npt.NDArray[np.bool_]:
    """Whether one value goes left at each of the nodes."""
    answer = np.empty(len(threshold), np.bool_)
    for node in range(len(threshold)):
        if decision[node] & CATEGORICAL:
            answer[node] = _is_member(_category(value), threshold[node], set_start, set_words)
        else:
            answer[node] = _settled(value, decision[node]) <= threshold[node]
    return answer


@njit(nogil=True, cache=True)
def passes(
    features: Matrix,
    feature: Integers,
    threshold: Vector,
    decision: npt.NDArray[np.uint8],
    set_start: Integers,
    set_words: Naturals,
) -> npt.NDArray[np.bool_]:
    """Whether each row would go left at each node, reached or not, shape (n, N)."""
    answer = np.empty((len(features), len(feature)), np.bool_)
    for row in range(len(features)):
        for node in range(len(feature)):
            value = features[row, feature[node]]
            if decision[node] & CATEGORICAL:
                category_set = threshold[node]
                answer[row, node] = _is_member(_category(value), category_set, set_start, set_words)
            else:
                answer[row, node] = _settled(value, decision[node]) <= threshold[node]
    return answer


@njit(nogil=True, cache=True)
def logistic(answer: Matrix, sigmoid: float) -> None:
    """Replace every sum of leaves by its probability, with the one ``exp`` of the C library."""
    for row in range(answer.shape[0]):
        for output in range(answer.shape[1]):
            answer[row, output] = 1.0 / (1.0 + math.exp(-sigmoid * answer[row, output]))


@njit(nogil=True, cache=True)
def sum_by_steps(
    features: Matrix,
    roots: Integers,
    first_output: Integers,
    feature: Integers,
    threshold: Matrix,
    decision: npt.NDArray[np.uint8],
    left: Integers,
    right: Integers,
    set_start: Integers,
    set_words: Naturals,
    leaf_values: Matrix,
    n_outputs: int,
) -> Matrix:
    """Sums of leaves, shape (n, n_outputs), by walking down each tree: for trees of any size."""
    answer = np.zeros((len(features), n_outputs))
    for start in range(0, len(features), BLOCK):
        for tree in range(len(roots)):  # a block of rows per tree, while its nodes are at hand
            for row in range(start, min(start + BLOCK, len(features))):
                node = roots[tree]
                while node >= 0:
                    value = features[row, feature[node]]
                    if decision[node] & CATEGORICAL:
                        category_set = threshold[node]
                        goes_left = _is_member(_category(value), category_set, set_start, set_words)
                    else:
                        goes_left = _settled(value, decision[node]) <= threshold[node]
                    node = left[node] if goes_left else right[node]
                for entry in range(leaf_values.shape[1]):
                    answer[row, first_output[tree] + entry] += leaf_values[~node, entry]
    return answer


@njit(nogil=True, cache=True)
def sum_by_masks(features: Matrix, layout: MaskLayout, n_outputs: int) -> Matrix:
    """Sums of leaves, shape (n, n_outputs), by ruling leaves out: see ``uplift.ensemble.masks``."""
    n_rows, n_columns, n_trees = len(features), len(layout.column_feature), len(layout.first_output)
    answer = np.zeros((n_rows, n_outputs))
    size = min(n_rows, BLOCK)
    settled = np.empty(size)
    codes = np.empty((n_columns, size), np.uint32)
    masks = np.empty(max(n_trees, size), layout.node_mask.dtype)
    for start in range(0, n_rows, BLOCK):
        rows = features[start : start + BLOCK]
        sums = answer[start : start + BLOCK]
        _code(rows, layout, settled[: len(rows)], codes)
        if len(rows) < FEW:
            for row in range(len(rows)):
                _add_alone(codes[:, row], layout, masks[:n_trees], sums[row])
        else:
            _add_together(codes, layout, masks[: len(rows)], sums)
    return answer


@njit(nogil=True, cache=True)
def _code(rows: Matrix, layout: MaskLayout, settled: Vector, codes: Naturals) -> None:
    """Per column and row: the category, or the place after the last threshold the value fails.

    All rows take the same steps of a binary search, so that their memory accesses overlap.
    """
    one = np.uint64(1)
    for column in range(len(layout.column_feature)):
        values, code = rows[:, layout.column_feature[column]], codes[column]
        decision, start = layout.column_decision[column], layout.column_start[column]
        if decision & CATEGORICAL:
            for row in range(len(rows)):
                code[row] = _category(values[row])
            continue
        for row in range(len(rows)):
            settled[row] = _settled(values[row], decision)
            code[row] = start
        left = np.uint64(layout.column_start[column + 1] - start)
        while left > one:
            half = left >> one
            for row in range(len(rows)):
                fails = not (settled[row] <= layout.threshold[code[row] + half - one])
                code[row] += half * np.uint64(fails)
            left -= half
        for row in range(len(rows)):
            code[row] += np.uint32(not (settled[row] <= layout.threshold[code[row]]))


@njit(nogil=True, cache=True)
def _add_alone(codes: Naturals, layout: MaskLayout, masks: Bits, sums: Vector) -> None:
    """One row: of the numeric nodes only those that it fails are touched, column by column."""
    all_leaves = ~masks.dtype.type(0)
    masks[:] = all_leaves
    for column in range(len(codes)):
        start = layout.column_start[column]
        if layout.column_decision[column] & CATEGORICAL:
            for place in range(start, layout.column_start[column + 1]):
                number = layout.threshold[place]
                passes = _is_member(codes[column], number, layout.set_start, layout.set_words)
                masks[layout.threshold_tree[place]] &= (
                    all_leaves if passes else layout.threshold_mask[place]
                )
        else:
            for place in range(start, codes[column]):
                masks[layout.threshold_tree[place]] &= layout.threshold_mask[place]
    for tree in range(len(masks)):
        leaf = _lowest(masks[tree])
        for output in range(layout.leaf_values.shape[2]):
            sums[layout.first_output[tree] + output] += layout.leaf_values[tree, leaf, output]


@njit(nogil=True, cache=True)
def _add_together(codes: Naturals, layout: MaskLayout, masks: Bits, sums: Matrix) -> None:
    """Many rows: every node is held against all of them at once, tree by tree."""
    all_leaves, five, last_five = ~masks.dtype.type(0), np.uint32(5), np.uint32(31)
    passes = np.empty(len(masks), np.uint32)
    for tree in range(len(layout.first_output)):
        masks[:] = all_leaves
        for node in range(layout.tree_start[tree], layout.tree_start[tree + 1]):
            column, place = layout.node_column[node], layout.node_place[node]
            code, mask = codes[column], layout.node_mask[node]
            if layout.column_decision[column] & CATEGORICAL:
                number = int(layout.threshold[place])
                start = layout.set_start[number]
                passes[:] = 0
                for word in range(start, layout.set_start[number + 1]):
                    bits = layout.set_words[word]
                    for row in range(len(masks)):
                        is_here = np.uint32(code[row] >> five == np.uint32(word - start))
                        passes[row] |= is_here & (bits >> (code[row] & last_five))
                for row in range(len(masks)):
                    masks[row] &= all_leaves if passes[row] else mask
            else:
                for row in range(len(masks)):
                    masks[row] &= mask if code[row] > place else all_leaves
        output = layout.first_output[tree]
        for row in range(len(masks)):
            leaf = _lowest(masks[row])
            for entry in range(layout.leaf_values.shape[2]):
                sums[row, output + entry] += layout.leaf_values[tree, leaf, entry]
