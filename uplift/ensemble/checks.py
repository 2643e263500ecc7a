"""What arrays must fulfil to be trees: after this no kernel can leave its arrays or loop."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from uplift.ensemble.decisions import CATEGORICAL
from uplift.errors import ContractError

if TYPE_CHECKING:
    from uplift.ensemble.flat import FlatEnsemble

_LINKS = ("identity", "logistic", "clipped")
_NODE_ARRAYS = ("threshold", "decision", "left", "right")


def check_ensemble(ensemble: "FlatEnsemble") -> None:
    """Raise a ``ContractError`` that names the first array which breaks its contract."""
    _check_shapes(ensemble)
    _check_references(ensemble)
    _check_splits(ensemble)
    n_wide = ensemble.leaf_values.shape[1]
    _within("first_output", ensemble.first_output, 0, ensemble.n_outputs - n_wide + 1)
    if not np.isfinite(ensemble.leaf_values).all():
        raise _broken("leaf_values", "not finite", ~np.isfinite(ensemble.leaf_values))
    _check_slopes(ensemble)
    if ensemble.link not in _LINKS:
        raise ContractError(f"unknown link {ensemble.link!r}; known are {', '.join(_LINKS)}.")
    if not 0.0 < ensemble.sigmoid < np.inf:
        raise ContractError(f"sigmoid is {ensemble.sigmoid}; it must be a positive number.")
    _check_groups(ensemble)


def _check_groups(ensemble: "FlatEnsemble") -> None:
    """Trees that stand in groups are averaged: each answers for all outputs, on their scale."""
    size = ensemble.trees_per_group
    if size == 1:
        return
    knows_all = ensemble.leaf_values.shape[1] == ensemble.n_outputs
    if size < 1 or len(ensemble.roots) % size or not knows_all or ensemble.link == "logistic":
        raise ContractError(
            f"{len(ensemble.roots)} trees with leaves of {ensemble.leaf_values.shape[1]} for "
            f"{ensemble.n_outputs} outputs and link {ensemble.link!r} cannot stand in groups of "
            f"{size}; `trees_per_group` asks for whole groups of trees that know all outputs."
        )


def _check_shapes(ensemble: "FlatEnsemble") -> None:
    n_trees, n_nodes = len(ensemble.roots), len(ensemble.feature)
    expected = dict.fromkeys(_NODE_ARRAYS, (n_nodes,)) | {"first_output": (n_trees,)}
    expected |= {"roots": (n_trees,), "feature": (n_nodes,)}
    for name, shape in expected.items():
        if getattr(ensemble, name).shape != shape:
            raise ContractError(
                f"`{name}` has shape {getattr(ensemble, name).shape}, the other arrays of the "
                f"ensemble ask for {shape}."
            )
    if ensemble.leaf_values.ndim != 2 or ensemble.leaf_values.shape[1] < 1:
        raise ContractError(f"`leaf_values` has shape {ensemble.leaf_values.shape}, not (L, W).")
    starts = ensemble.set_start
    if (
        starts.ndim != 1
        or ensemble.set_words.ndim != 1
        or starts[:1].tolist() != [0]
        or starts[-1] != len(ensemble.set_words)
        or (np.diff(starts) < 1).any()
    ):
        raise ContractError("`set_start` does not cut `set_words` into sets.")


def _check_references(ensemble: "FlatEnsemble") -> None:
    """Every node and leaf hangs in one place, and below its parent: so trees, and finite ones."""
    references = np.concatenate([ensemble.roots, ensemble.left, ensemble.right])
    is_node = references >= 0
    for kind, numbers, count in (
        ("node", references[is_node], len(ensemble.feature)),
        ("leaf", ~references[~is_node], len(ensemble.leaf_values)),
    ):
        if not np.array_equal(np.sort(numbers), np.arange(count)):
            raise ContractError(
                f"the ensemble's {count} {kind} entries are not each referred to exactly once "
                f"({len(numbers)} references); the arrays describe no trees."
            )
    own = np.arange(len(ensemble.feature))
    for name in ("left", "right"):
        children = getattr(ensemble, name)
        if ((children >= 0) & (children <= own)).any():
            raise ContractError(f"`{name}` leads from a node back to itself or an earlier one.")


def _check_splits(ensemble: "FlatEnsemble") -> None:
    _within("feature", ensemble.feature, 0, ensemble.n_features)
    is_set = (ensemble.decision & CATEGORICAL) != 0
    if np.isnan(ensemble.threshold).any():
        raise _broken("threshold", "NaN", np.isnan(ensemble.threshold))
    _within("threshold", ensemble.threshold[is_set], 0, len(ensemble.set_start) - 1)


def _check_slopes(ensemble: "FlatEnsemble") -> None:
    if ensemble.slopes is None:
        return
    expected = (ensemble.n_features, ensemble.n_outputs)
    if ensemble.slopes.shape != expected:
        raise ContractError(
            f"`slopes` has shape {ensemble.slopes.shape}, {expected[0]} features and {expected[1]} "
            f"outputs ask for {expected}."
        )
    if not np.isfinite(ensemble.slopes).all():
        raise _broken("slopes", "not finite", ~np.isfinite(ensemble.slopes))


def _within(name: str, values: npt.NDArray[np.generic], low: int, high: int) -> None:
    outside = (values < low) | (values >= high)  # type: ignore[operator]
    if outside.any():
        raise _broken(name, f"outside [{low}, {high})", outside)


def _broken(name: str, what: str, where: npt.NDArray[np.bool_]) -> ContractError:
    return ContractError(f"`{name}` is {what} in {int(where.sum())} of {where.size} entries.")
