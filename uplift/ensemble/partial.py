"""Partial evaluation: trees of which one feature is already known."""

import numpy as np
import numpy.typing as npt

from uplift.ensemble import kernels
from uplift.ensemble.flat import FlatEnsemble
from uplift.errors import ContractError

Integers = npt.NDArray[np.int64]


def fix_feature(ensemble: FlatEnsemble, feature: int, value: float) -> FlatEnsemble:
    """The answers for rows whose ``feature`` is ``value``, from trees without that column.

    Nodes that look at the feature vanish: whoever led to them leads to the child that the value
    goes to. The other columns move up, so the matrix has one column less. Sums are the same to the
    last bit.

    Args:
        ensemble: Of d features.
        feature: The column that is known.
        value: What it holds; NaN is a value that is not known.

    Raises:
        ContractError: There is no such column, or no other; or the ensemble has slopes, which no
            child could take the place of.
    """
    if ensemble.slopes is not None:
        raise ContractError(
            f"column {feature} cannot be left out of an ensemble with slopes; only trees can be "
            "evaluated beforehand."
        )
    if not 0 <= feature < ensemble.n_features or ensemble.n_features == 1:
        raise ContractError(
            f"column {feature} of {ensemble.n_features} cannot be left out; give one of several."
        )
    vanishes = ensemble.feature == feature
    lands_at = _where_it_lands(ensemble, np.flatnonzero(vanishes), value)

    def landing(references: npt.NDArray[np.int32]) -> Integers:
        landed = references.astype(np.int64)
        is_node = references >= 0
        landed[is_node] = lands_at[references[is_node]]
        return landed

    roots, left, right = map(landing, (ensemble.roots, ensemble.left, ensemble.right))
    nodes = _reached(roots, left, right)
    left, right = left[nodes], right[nodes]
    references = np.concatenate([roots, left, right])
    leaves = np.sort(~references[references < 0])

    def renumbered(references: Integers) -> Integers:
        is_node = references >= 0
        return np.where(
            is_node, np.searchsorted(nodes, references), ~np.searchsorted(leaves, ~references)
        )

    kept = ensemble.feature[nodes]
    arrays = {
        "roots": renumbered(roots),
        "first_output": ensemble.first_output,
        "feature": kept - (kept > feature),
        "threshold": ensemble.threshold[nodes],
        "decision": ensemble.decision[nodes],
        "left": renumbered(left),
        "right": renumbered(right),
        "set_start": ensemble.set_start,
        "set_words": ensemble.set_words,
        "leaf_values": ensemble.leaf_values[leaves],
    }
    return FlatEnsemble.of(
        arrays,
        n_features=ensemble.n_features - 1,
        n_outputs=ensemble.n_outputs,
        link=ensemble.link,
        sigmoid=ensemble.sigmoid,
    )


def _where_it_lands(ensemble: FlatEnsemble, vanishing: Integers, value: float) -> Integers:
    """The first node or leaf at or below each node that the known value does not decide on."""
    goes_left = kernels.goes_left(
        float(value),
        ensemble.threshold[vanishing],
        ensemble.decision[vanishing],
        ensemble.set_start,
        ensemble.set_words,
    )
    child = np.where(goes_left, ensemble.left[vanishing], ensemble.right[vanishing])
    lands_at = np.arange(len(ensemble.feature))
    for node, below in zip(vanishing[::-1], child[::-1], strict=True):  # children before parents
        lands_at[node] = lands_at[below] if below >= 0 else below
    return lands_at


def _reached(roots: Integers, left: Integers, right: Integers) -> Integers:
    """The nodes that the roots lead to, in ascending order."""
    reached = []
    level = roots[roots >= 0]
    while len(level):
        reached.append(level)
        below = np.concatenate([left[level], right[level]])
        level = below[below >= 0]
    return np.sort(np.concatenate([*reached, np.empty(0, dtype=np.int64)]))
