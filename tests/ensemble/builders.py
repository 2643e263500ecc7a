"""Small ensembles made by hand or by chance, and a walk that is plain to read."""

import math
from collections.abc import Sequence

import numpy as np

from uplift.ensemble import FlatEnsemble
from uplift.ensemble.decisions import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN, MISSING_ZERO, ZERO
from uplift.ensemble.flat import Matrix

TREATMENTS = (
    0,
    DEFAULT_LEFT,
    MISSING_NAN,
    MISSING_NAN | DEFAULT_LEFT,
    MISSING_ZERO,
    MISSING_ZERO | DEFAULT_LEFT,
    CATEGORICAL,
)


def stump(
    decision: int, threshold: float = 0.5, members: Sequence[int] = (1, 3, 40)
) -> FlatEnsemble:
    """One split: left answers 1, right answers 2. ``members`` are the categories that go left."""
    words = np.zeros(max(members) // 32 + 1, dtype=np.uint32)
    for member in members:
        words[member // 32] |= np.uint32(1 << (member % 32))
    arrays = {
        "roots": [0],
        "first_output": [0],
        "feature": [0],
        "threshold": [0.0 if decision & CATEGORICAL else threshold],
        "decision": [decision],
        "left": [~0],
        "right": [~1],
        "set_start": [0, len(words)],
        "set_words": words,
        "leaf_values": [[1.0], [2.0]],
    }
    return FlatEnsemble.of(arrays, n_features=1, n_outputs=1)


def random_ensemble(
    rng: np.random.Generator,
    *,
    n_trees: int = 5,
    most_leaves: int = 8,
    n_features: int = 3,
    n_outputs: int = 2,
    width: int = 1,
) -> FlatEnsemble:
    """Trees grown by splitting random leaves, with every kind of decision and few thresholds."""
    n_sets = 4
    set_words = rng.integers(0, 2**32, size=2 * n_sets, dtype=np.uint32)
    roots, feature, threshold, decision, left, right = [], [], [], [], [], []
    n_leaves = 0
    for _ in range(n_trees):
        open_ends: list[tuple[list[int], int]] = [(roots, len(roots))]
        roots.append(0)
        for _ in range(int(rng.integers(0, most_leaves))):
            children, at = open_ends.pop(int(rng.integers(len(open_ends))))
            children[at] = len(feature)
            kind = int(rng.choice(TREATMENTS))
            is_set = kind & CATEGORICAL
            feature.append(int(rng.integers(n_features)))
            decision.append(kind)
            threshold.append(float(rng.integers(n_sets) if is_set else rng.choice(POINTS)))
            open_ends += [(left, len(left)), (right, len(right))]
            left.append(0)
            right.append(0)
        for children, at in open_ends:
            children[at] = ~n_leaves
            n_leaves += 1
    arrays = {
        "roots": roots,
        "first_output": rng.integers(0, n_outputs - width + 1, size=n_trees),
        "feature": feature,
        "threshold": threshold,
        "decision": decision,
        "left": left,
        "right": right,
        "set_start": range(0, 2 * n_sets + 1, 2),
        "set_words": set_words,
        "leaf_values": rng.normal(size=(n_leaves, width)),
    }
    return FlatEnsemble.of(arrays, n_features=n_features, n_outputs=n_outputs)


POINTS = (-2.0, -0.5, -ZERO, 0.0, ZERO, 0.5, 1.0, 7.0, math.inf)
"""Thresholds, and the values that meet them."""

STRANGE = (*POINTS, math.nan, -math.inf, 5e-324, -5e-324, 1e-36, -0.0, -0.9, 33.7, 63.0, 64.0, 2e9)
STRANGER = (*STRANGE, 2.0**31, 2.0**32, 2.0**63, 1e300, -1.0)


def strange_rows(rng: np.random.Generator, n_rows: int, n_features: int) -> Matrix:
    """Features of values at which trees go wrong."""
    return rng.choice(STRANGER, size=(n_rows, n_features))


def walk(ensemble: FlatEnsemble, row: Matrix) -> list[float]:
    """Sums of leaves of one row, step by step as the definition says."""
    sums = [0.0] * ensemble.n_outputs
    for root, first in zip(ensemble.roots, ensemble.first_output, strict=True):
        node = int(root)
        while node >= 0:
            goes_left = _goes_left(ensemble, node, float(row[ensemble.feature[node]]))
            node = int(ensemble.left[node] if goes_left else ensemble.right[node])
        for entry, value in enumerate(ensemble.leaf_values[~node]):
            sums[first + entry] += float(value)
    return sums


def _goes_left(ensemble: FlatEnsemble, node: int, value: float) -> bool:
    decision, threshold = int(ensemble.decision[node]), float(ensemble.threshold[node])
    if decision & CATEGORICAL:
        if math.isnan(value) or math.isinf(value) or int(value) < 0:
            return False
        start, end = ensemble.set_start[int(threshold)], ensemble.set_start[int(threshold) + 1]
        members = sum(int(word) << (32 * i) for i, word in enumerate(ensemble.set_words[start:end]))
        return bool(int(value) < 10_000 and members >> int(value) & 1)
    if math.isnan(value) and decision & (MISSING_NAN | MISSING_ZERO):
        return bool(decision & DEFAULT_LEFT)
    number = 0.0 if math.isnan(value) or abs(value) <= ZERO else value
    if number == 0.0 and decision & MISSING_ZERO:
        return bool(decision & DEFAULT_LEFT)
    return number <= threshold
