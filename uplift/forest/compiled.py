"""Grown trees become the one predictor: bins become thresholds, levels become sets.

A row ends in the same leaf by its codes and by its values, for every float and for NaN.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from uplift.ensemble import FlatEnsemble
from uplift.ensemble.decisions import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN
from uplift.forest.bins import Bins
from uplift.forest.nodes import Tree

Matrix = npt.NDArray[np.float64]


def compile_forest(
    trees: Sequence[Tree], values: Sequence[Matrix], bins: Bins, *, trees_per_group: int
) -> FlatEnsemble:
    """The mean of the trees, one output per arm.

    The answer is the mean over trees of the leaves' means. A generalised random forest would
    weight a row by its share of its leaf and take one ratio at the end; that is no sum of leaves,
    and differs where leaves hold few rows of an arm.

    Args:
        trees: Structures.
        values: Expected outcome of every node and arm of each tree, shape (M, n_arms).
        bins: What the codes mean.
        trees_per_group: Trees that share a half of the log, one after another.
    """
    n_arms = values[0].shape[1]
    parts = [
        _arrays(tree, value / len(trees), bins) for tree, value in zip(trees, values, strict=True)
    ]
    nodes = leaves = sets = words = 0
    for part in parts:
        is_set = part["decision"] == CATEGORICAL
        for name in ("roots", "left", "right"):
            part[name] = np.where(part[name] >= 0, part[name] + nodes, part[name] - leaves)
        part["threshold"] = np.where(is_set, part["threshold"] + sets, part["threshold"])
        part["set_start"] = part["set_start"] + words
        nodes += len(part["feature"])
        leaves += len(part["leaf_values"])
        sets += len(part["set_start"])
        words += len(part["set_words"])
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    arrays["set_start"] = np.append(arrays["set_start"], words)
    arrays["first_output"] = np.zeros(len(trees))
    return FlatEnsemble.of(
        arrays,
        n_features=bins.n_features,
        n_outputs=n_arms,
        trees_per_group=trees_per_group,
    )


def _arrays(tree: Tree, values: Matrix, bins: Bins) -> dict[str, npt.NDArray[Any]]:
    """One tree by itself; sets start at 0 and their end is left out."""
    is_split = tree.feature >= 0
    number = np.where(is_split, np.cumsum(is_split) - 1, 0 - np.cumsum(~is_split))
    splits = np.flatnonzero(is_split)
    threshold, decision = np.zeros(len(splits)), np.zeros(len(splits), dtype=np.uint8)
    left, right = number[tree.low[splits]], number[tree.high[splits]]
    sets: list[npt.NDArray[np.uint32]] = []
    for place, node in enumerate(splits):
        feature, split = int(tree.feature[node]), int(tree.split[node])
        if bins.n_levels[feature]:
            threshold[place] = len(sets)
            decision[place] = CATEGORICAL
            sets.append(_members(tree, int(node), bins))
            if tree.missing_low[node]:  # what is in no set goes right
                left[place], right[place] = right[place], left[place]
            continue
        edges = bins.edges[feature]
        threshold[place] = edges[split] if split < len(edges) else np.inf
        decision[place] = MISSING_NAN | (DEFAULT_LEFT if tree.missing_low[node] else 0)
    sizes = [len(words) for words in sets]
    return {
        "roots": number[:1],
        "feature": tree.feature[splits],
        "threshold": threshold,
        "decision": decision,
        "left": left,
        "right": right,
        "set_start": np.cumsum([0, *sizes])[:-1],
        "set_words": np.concatenate([*sets, np.empty(0, dtype=np.uint32)]),
        "leaf_values": values[~is_split],
    }


def _members(tree: Tree, node: int, bins: Bins) -> npt.NDArray[np.uint32]:
    """The levels that go left, as bits: those on the side where missing ones do not go."""
    feature = int(tree.feature[node])
    place = int(np.searchsorted(bins.categorical, feature))
    missing = int(np.diff(bins.first_bin)[feature]) - 1
    level_bin = tree.level_bin[place, : bins.n_levels[feature]]
    is_low = level_bin <= tree.split[node]
    chosen = (level_bin != missing) & (is_low != tree.missing_low[node])
    largest = int(np.flatnonzero(chosen).max(initial=0))
    bits = np.zeros((largest // 32 + 1) * 32, dtype=np.uint8)
    bits[: largest + 1] = chosen[: largest + 1]
    return np.packbits(bits, bitorder="little").view("<u4").astype(np.uint32)
