"""Trees in scikit-learn's arrays become flat trees; causalml's forests stand on the same arrays.

There a number is rounded to single precision before it meets a threshold. Here it is not: the
threshold moves instead, to the largest double that would still be rounded to the left.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from uplift.ensemble.decisions import DEFAULT_LEFT, MISSING_NAN
from uplift.ensemble.flat import FlatEnsemble, Matrix

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class ArrayTree(Protocol):
    """As much of ``sklearn.tree._tree.Tree`` as decides where a row ends; a leaf has child -1."""

    children_left: Integers
    children_right: Integers
    feature: Integers
    threshold: Doubles
    missing_go_to_left: npt.NDArray[np.uint8]


def compile_array_trees(
    trees: Sequence[ArrayTree], values: Sequence[Matrix], n_features: int
) -> FlatEnsemble:
    """The mean of the trees, one output per entry of a node's values.

    Args:
        trees: With children after their parents.
        values: What each node says, shape (nodes of the tree, n_outputs).
        n_features: d.
    """
    is_leaf = np.concatenate([tree.children_left < 0 for tree in trees])
    first = np.cumsum([0, *(len(tree.feature) for tree in trees)])[:-1]
    # One numbering for all trees: splits upwards from 0, leaves downwards from -1.
    number = np.where(is_leaf, -np.cumsum(is_leaf), np.cumsum(~is_leaf) - 1)
    splits = ~is_leaf

    def child(name: str) -> Integers:
        local = [getattr(tree, name) + start for tree, start in zip(trees, first, strict=True)]
        return np.asarray(number[np.concatenate(local)[splits]])

    missing_left = np.concatenate([tree.missing_go_to_left for tree in trees])[splits] != 0
    arrays = {
        "roots": number[first],
        "first_output": np.zeros(len(trees)),
        "feature": np.concatenate([tree.feature for tree in trees])[splits],
        "threshold": widest(np.concatenate([tree.threshold for tree in trees])[splits]),
        "decision": MISSING_NAN | np.where(missing_left, DEFAULT_LEFT, 0),
        "left": child("children_left"),
        "right": child("children_right"),
        "set_start": np.zeros(1),
        "set_words": np.empty(0),
        "leaf_values": np.concatenate(values)[is_leaf] / len(trees),
    }
    return FlatEnsemble.of(arrays, n_features=n_features, n_outputs=values[0].shape[1])


def widest(threshold: Doubles) -> Doubles:
    """The largest double that is at most the threshold once it is rounded to single precision.

    Examples:
        >>> float(np.float32(widest(np.array([0.1]))[0])) <= 0.1
        True
    """
    single = threshold.astype(np.float32)
    down, up = np.float32(-np.inf), np.float32(np.inf)
    single = np.where(single > threshold, np.nextafter(single, down), single)
    middle = (single.astype(np.float64) + np.nextafter(single, up).astype(np.float64)) / 2.0
    # The middle itself is rounded to the neighbour with an even last bit.
    is_even = single.view(np.uint32) % 2 == 0
    return np.where(is_even, middle, np.nextafter(middle, -np.inf))
