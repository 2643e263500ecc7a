"""Why an ensemble answers as it does: Shapley values of its raw score (path-dependent TreeSHAP).

A coalition of features knows the row's values in its own columns and nothing in the others; at a
node over an unknown column it goes both ways, in the shares in which background rows went
(Lundberg, Erion and Lee 2018, "Consistent individualized feature attribution for tree ensembles",
algorithm 2). Here every leaf is taken alone: what a feature contributes to a leaf depends only on
whether the row obeys the feature's nodes on the way to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from uplift.ensemble import kernels
from uplift.ensemble.flat import FlatEnsemble, Matrix
from uplift.errors import ContractError

Booleans: TypeAlias = npt.NDArray[np.bool_]
Integers: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LeafPaths:
    """How each of L leaves is reached, with E elements (a leaf and a feature) and S steps.

    Attributes:
        leaf_start: Where the elements of each leaf start, and the end, shape (L + 1,).
        feature: Column of each element, shape (E,); no leaf has a column twice.
        background_share: Share of background rows that obey all nodes of the element, each asked
            of those that reach it, shape (E,).
        step_start: Where the nodes of each element start, and the end, shape (E + 1,).
        node: Nodes on the way to the leaf that look at the element's column, shape (S,).
        is_left: Whether the way goes left there, shape (S,).
        first_output: The output that the leaf's first entry is added to, shape (L,).
        leaf_values: Shape (L, W).
    """

    leaf_start: Integers
    feature: Integers
    background_share: Matrix
    step_start: Integers
    node: Integers
    is_left: Booleans
    first_output: Integers
    leaf_values: Matrix


class Explainer:
    """Contributions of the features to the raw score of an ensemble, against a background.

    Args:
        ensemble: Whose answers are to be explained.
        background: Rows that say what is usual, shape (m, d); the training rows or a sample. Nodes
            that none of them reaches split evenly.

    Raises:
        ContractError: There is no background.
    """

    def __init__(self, ensemble: FlatEnsemble, background: Matrix) -> None:
        if not len(background):
            raise ContractError(
                "0 rows of background cannot say what is usual; give some rows of the training set."
            )
        self.ensemble = ensemble
        self._paths = leaf_paths(ensemble, _share_left(ensemble, background))

    def contributions(self, features: Matrix) -> npt.NDArray[np.float64]:
        """Shapley values, shape (n, n_outputs, d + 1); the last column is the background's answer.

        The d + 1 numbers of a row and output add up to ``FlatEnsemble.raw``.
        """
        ensemble, paths = self.ensemble, self._paths
        answer = np.zeros((len(features), ensemble.n_outputs, ensemble.n_features + 1))
        for start in range(0, len(features), kernels.BLOCK):
            block = slice(start, start + kernels.BLOCK)
            _add_contributions(
                ensemble.passes(features[block]),
                paths.leaf_start,
                paths.feature,
                paths.background_share,
                paths.step_start,
                paths.node,
                paths.is_left,
                paths.first_output,
                paths.leaf_values,
                answer[block],
            )
        return answer


def leaf_paths(ensemble: FlatEnsemble, share_left: Matrix) -> LeafPaths:
    """The way to every leaf; ``share_left`` of each node's background rows go left, shape (N,)."""
    leaf_start, step_start, feature, share = [0], [0], [], []
    node: list[int] = []
    is_left: list[bool] = []
    leaves: list[int] = []
    outputs: list[int] = []
    for root, first in zip(ensemble.roots.tolist(), ensemble.first_output.tolist(), strict=True):
        for leaf, way in _ways(ensemble, root):
            by_feature: dict[int, list[tuple[int, bool]]] = {}
            for step in way:
                by_feature.setdefault(int(ensemble.feature[step[0]]), []).append(step)
            for column, steps in by_feature.items():
                feature.append(column)
                share.append(
                    np.prod([share_left[n] if left else 1.0 - share_left[n] for n, left in steps])
                )
                node += [n for n, _ in steps]
                is_left += [left for _, left in steps]
                step_start.append(len(node))
            leaf_start.append(len(feature))
            leaves.append(leaf)
            outputs.append(first)
    return LeafPaths(
        leaf_start=np.array(leaf_start, dtype=np.int64),
        feature=np.array(feature, dtype=np.int64),
        background_share=np.array(share, dtype=np.float64),
        step_start=np.array(step_start, dtype=np.int64),
        node=np.array(node, dtype=np.int64),
        is_left=np.array(is_left, dtype=np.bool_),
        first_output=np.array(outputs, dtype=np.int64),
        leaf_values=ensemble.leaf_values[leaves],
    )


def _ways(ensemble: FlatEnsemble, root: int) -> Iterator[tuple[int, list[tuple[int, bool]]]]:
    """Every leaf below ``root``, with the nodes on the way to it and whether it goes left there."""
    ahead: list[tuple[int, list[tuple[int, bool]]]] = [(root, [])]
    while ahead:
        reference, way = ahead.pop()
        if reference < 0:
            yield ~reference, way
            continue
        ahead.append((int(ensemble.right[reference]), [*way, (reference, False)]))
        ahead.append((int(ensemble.left[reference]), [*way, (reference, True)]))


def _share_left(ensemble: FlatEnsemble, background: Matrix) -> Matrix:
    """Share of each node's background rows that go left, shape (N,); a half where none comes."""
    visits = np.zeros((len(ensemble.feature), 2), dtype=np.int64)
    for start in range(0, len(background), kernels.BLOCK):
        passes = ensemble.passes(background[start : start + kernels.BLOCK])
        _add_visits(passes, ensemble.roots, ensemble.left, ensemble.right, visits)
    reached = visits.sum(axis=1)
    share = np.full(len(visits), 0.5)
    np.divide(visits[:, 0], reached, out=share, where=reached > 0)
    return share


@njit(nogil=True, cache=True)
def _add_visits(
    passes: Booleans,
    roots: npt.NDArray[np.int32],
    left: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    visits: Integers,
) -> None:
    """Count how many rows go left and right at each node that they reach."""
    for row in range(len(passes)):
        for root in roots:
            node = root
            while node >= 0:
                goes_left = passes[row, node]
                visits[node, 0 if goes_left else 1] += 1
                node = left[node] if goes_left else right[node]


@njit(nogil=True, cache=True)
def _add_contributions(
    passes: Booleans,
    leaf_start: Integers,
    feature: Integers,
    background_share: Matrix,
    step_start: Integers,
    node: Integers,
    is_left: Booleans,
    first_output: Integers,
    leaf_values: Matrix,
    answer: npt.NDArray[np.float64],
) -> None:
    """Leaf by leaf, the game in which the coalition earns the share of itself that gets there.

    A member that obeys its nodes brings 1, one that does not brings 0, an absentee the share of
    the background. ``weight[k]`` adds up the Shapley weight of all coalitions of k members.
    """
    most = 1
    for leaf in range(len(first_output)):
        most = max(most, leaf_start[leaf + 1] - leaf_start[leaf] + 1)
    weight, obeys = np.empty(most), np.empty(most, np.bool_)
    for row in range(len(passes)):
        for leaf in range(len(first_output)):
            start, size = leaf_start[leaf], leaf_start[leaf + 1] - leaf_start[leaf]
            usual, is_barred = 1.0, False
            weight[0] = 1.0
            for place in range(size):
                share = background_share[start + place]
                ok = True
                for step in range(step_start[start + place], step_start[start + place + 1]):
                    ok &= passes[row, node[step]] == is_left[step]
                obeys[place] = ok
                usual *= share
                is_barred |= share == 0.0 and not ok
                depth = place + 1
                weight[depth] = 0.0
                for k in range(depth - 1, -1, -1):
                    if ok:
                        weight[k + 1] += weight[k] * (k + 1) / (depth + 1)
                    weight[k] *= share * (depth - k) / (depth + 1)
            for entry in range(leaf_values.shape[1]):
                answer[row, first_output[leaf] + entry, -1] += usual * leaf_values[leaf, entry]
            if is_barred:  # neither the row nor the background comes past this feature
                continue
            for place in range(size):
                share = background_share[start + place]
                total, ahead = 0.0, weight[size]
                for k in range(size - 1, -1, -1):
                    if obeys[place]:
                        taken = ahead / (k + 1)
                        total += taken
                        ahead = weight[k] - taken * share * (size - k)
                    else:
                        total += weight[k] / (share * (size - k))
                brings = ((1.0 if obeys[place] else 0.0) - share) * total * (size + 1)
                for entry in range(leaf_values.shape[1]):
                    answer[row, first_output[leaf] + entry, feature[start + place]] += (
                        brings * leaf_values[leaf, entry]
                    )
