"""Small trees as bit masks, after QuickScorer (Lucchese et al., SIGIR 2015).

Number the leaves of a tree from left to right, one bit each. A node that a row fails (the row goes
right there) rules out the leaves below its left child. Of the leaves that no failed node rules
out, the lowest is the one the row ends in. So a row needs no walk: only, per feature, the number
of thresholds below its value, and then one AND for every failed node.

Nodes that treat a feature's missing values alike share a *column*, and their thresholds stand
sorted in it. A missing value is settled before it meets a threshold: minus infinity passes them
all, NaN fails them all. The categorical nodes of a feature share a column too; there the row's
category is looked up in the set of each.
"""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from uplift.ensemble.decisions import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN, MISSING_ZERO
from uplift.ensemble.kernels import Bits, MaskLayout, Naturals

if TYPE_CHECKING:
    from uplift.ensemble.flat import FlatEnsemble

MOST_LEAVES = 64  # bits in the longest machine word

Integers: TypeAlias = npt.NDArray[np.int64]


def mask_layout(ensemble: "FlatEnsemble") -> MaskLayout | None:
    """The layout of an ensemble, or None if a tree has more leaves than a word has bits."""
    n_nodes, n_trees = len(ensemble.feature), len(ensemble.roots)
    # One numbering of nodes and leaves: nodes first.
    roots, left, right = (
        np.where(reference >= 0, reference, n_nodes + ~reference)
        for reference in (ensemble.roots, ensemble.left, ensemble.right)
    )
    levels = _levels(roots, left, right)
    n_leaves = np.ones(n_nodes + len(ensemble.leaf_values), dtype=np.int64)
    for nodes in reversed(levels):
        n_leaves[nodes] = n_leaves[left[nodes]] + n_leaves[right[nodes]]
    most = int(n_leaves[roots].max(initial=1))
    if most > MOST_LEAVES:
        return None

    order = _taking_turns(ensemble)
    tree = np.empty_like(n_leaves)
    tree[roots[order]] = np.arange(n_trees)
    bit = np.zeros_like(n_leaves)  # place of the leftmost leaf below
    for nodes in levels:
        tree[left[nodes]] = tree[right[nodes]] = tree[nodes]
        bit[left[nodes]] = bit[nodes]
        bit[right[nodes]] = bit[nodes] + n_leaves[left[nodes]]
    leaf_values = np.zeros((n_trees, most, ensemble.leaf_values.shape[1]))
    leaf_values[tree[n_nodes:], bit[n_nodes:]] = ensemble.leaf_values

    mask: Bits = _masks(n_leaves[left], bit[:n_nodes])
    if most <= 32:
        mask = mask.astype(np.uint32)
    column, column_feature, column_decision = _columns(ensemble)
    by_column = np.lexsort((ensemble.threshold, column))
    place = np.empty(n_nodes, dtype=np.uint32)
    place[by_column] = np.arange(n_nodes)
    by_tree = np.argsort(tree[:n_nodes], kind="stable")
    return MaskLayout(
        column_feature=column_feature,
        column_decision=column_decision,
        column_start=_starts(column, len(column_feature)),
        threshold=ensemble.threshold[by_column],
        threshold_tree=tree[by_column].astype(np.uint32),
        threshold_mask=mask[by_column],
        tree_start=_starts(tree[:n_nodes], n_trees),
        node_column=column[by_tree].astype(np.uint32),
        node_place=place[by_tree],
        node_mask=mask[by_tree],
        first_output=ensemble.first_output[order].astype(np.uint32),
        leaf_values=leaf_values,
        set_start=ensemble.set_start,
        set_words=ensemble.set_words,
    )


def _levels(roots: Integers, left: Integers, right: Integers) -> list[Integers]:
    """The nodes of all trees, level by level from the roots."""
    levels = []
    below = roots
    while len(below):
        nodes = below[below < len(left)]
        levels.append(nodes)
        below = np.concatenate([left[nodes], right[nodes]])
    return levels


def _taking_turns(ensemble: "FlatEnsemble") -> Integers:
    """The trees of every output in their order, but a tree of each output in turn.

    So one sum need not wait for the other. Vector leaves may overlap: their order stays.
    """
    n_trees = len(ensemble.roots)
    if ensemble.leaf_values.shape[1] > 1:
        return np.arange(n_trees)
    output = ensemble.first_output.astype(np.int64)
    by_output = np.argsort(output, kind="stable")
    turn = np.empty(n_trees, dtype=np.int64)
    turn[by_output] = np.arange(n_trees) - _starts(output, ensemble.n_outputs)[output[by_output]]
    return np.lexsort((output, turn))


def _masks(n_left: Integers, bit: Integers) -> npt.NDArray[np.uint64]:
    """All bits but the ``n_left`` from ``bit`` on, which belong to the left subtree."""
    one = np.uint64(1)
    below_left = (one << n_left.astype(np.uint64)) - one
    return ~(below_left << bit.astype(np.uint64))


def _columns(ensemble: "FlatEnsemble") -> tuple[Integers, Naturals, npt.NDArray[np.uint8]]:
    """The column of every node, and the feature and the decision bits of every column."""
    decision = ensemble.decision.astype(np.int64)
    is_set = (decision & CATEGORICAL) != 0
    has_missing = (decision & (MISSING_ZERO | MISSING_NAN)) != 0
    treatment = np.where(has_missing, decision & (MISSING_ZERO | MISSING_NAN | DEFAULT_LEFT), 0)
    treatment[is_set] = CATEGORICAL
    key = ensemble.feature.astype(np.int64) * 16 + treatment
    columns, column = np.unique(key, return_inverse=True)
    return column, (columns // 16).astype(np.uint32), (columns % 16).astype(np.uint8)


def _starts(sorted_into: Integers, n_groups: int) -> Naturals:
    """Where each group starts once its members stand together, and the end."""
    counts = np.bincount(sorted_into, minlength=n_groups)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32)
