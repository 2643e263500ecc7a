"""Ensembles made of numbers, and ensembles made of ensembles."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from uplift.ensemble.decisions import CATEGORICAL
from uplift.ensemble.flat import ARRAYS, FlatEnsemble, Link, Matrix
from uplift.errors import ContractError


def constant(values: npt.ArrayLike, n_features: int, *, link: Link = "identity") -> FlatEnsemble:
    """An ensemble that answers every row with ``values`` through the link, shape (n_outputs,).

    Examples:
        >>> constant([0.1, 0.3], n_features=1).predict(np.zeros((2, 1)))
        array([[0.1, 0.3],
               [0.1, 0.3]])
    """
    leaves = np.asarray(values, dtype=np.float64).reshape(-1, 1)
    outputs = np.arange(len(leaves))
    arrays = {name: np.empty(0, dtype) for name, dtype in ARRAYS.items()}
    arrays |= {"roots": ~outputs, "first_output": outputs, "leaf_values": leaves}
    arrays["set_start"] = np.zeros(1)
    return FlatEnsemble.of(arrays, n_features=n_features, n_outputs=len(outputs), link=link)


def stack(ensembles: Sequence[FlatEnsemble]) -> FlatEnsemble:
    """One ensemble with the outputs of all, side by side in the given order.

    Raises:
        ContractError: They differ in features, link, sigmoid, or the width of their leaves.
    """
    kinds = [(e.n_features, e.link, e.sigmoid, e.leaf_values.shape[1]) for e in ensembles]
    if len(set(kinds)) != 1:
        raise ContractError(
            "ensembles side by side must have the same (features, link, sigmoid, leaf width); "
            f"these {len(kinds)} have {sorted(set(kinds))}."
        )
    n_outputs = [ensemble.n_outputs for ensemble in ensembles]
    before = np.cumsum([0, *n_outputs[:-1]])
    arrays = _put_together(ensembles) | {
        "first_output": np.concatenate(
            [ensemble.first_output + n for ensemble, n in zip(ensembles, before, strict=True)]
        ),
        "leaf_values": np.concatenate([ensemble.leaf_values for ensemble in ensembles]),
    }
    slopes = _slopes(ensembles)
    return _like(
        ensembles[0],
        arrays,
        n_outputs=sum(n_outputs),
        slopes=None if slopes is None else np.concatenate(slopes, axis=1),
    )


def combine(parts: Sequence[FlatEnsemble], mix: npt.ArrayLike) -> FlatEnsemble:
    """One ensemble whose outputs are weighted sums of others: output j adds up mix[j, p] x part p.

    It is the sums of leaves and slopes that are weighted and added; the link of the parts then
    comes over each of the new sums. Every tree is walked once, whatever the number of outputs.

    Args:
        parts: Of one output each.
        mix: Weights, shape (n_outputs, n_parts).

    Raises:
        ContractError: The parts differ in features, link or sigmoid, have several outputs, or are
            more or fewer than the weights.

    Examples:
        What happens in control, and in two treatments that add 2 and 5 to it:

        >>> parts = [constant([value], n_features=1) for value in (10.0, 2.0, 5.0)]
        >>> combine(parts, [[1, 0, 0], [1, 1, 0], [1, 0, 1]]).predict(np.zeros((1, 1)))
        array([[10., 12., 15.]])
    """
    weights = np.asarray(mix, dtype=np.float64)
    kinds = [(e.n_features, e.link, e.sigmoid, e.n_outputs) for e in parts]
    if len(set(kinds)) != 1 or parts[0].n_outputs != 1:
        raise ContractError(
            "ensembles to be added up must have the same (features, link, sigmoid) and one output; "
            f"these {len(kinds)} have {sorted(set(kinds))}."
        )
    if weights.ndim != 2 or weights.shape[1] != len(parts):
        raise ContractError(f"weights of shape {weights.shape} do not fit {len(parts)} ensembles.")
    arrays = _put_together(parts) | {
        "first_output": np.zeros(sum(len(part.roots) for part in parts)),
        "leaf_values": np.concatenate(
            [part.leaf_values * column for part, column in zip(parts, weights.T, strict=True)]
        ),
    }
    slopes = _slopes(parts)
    return _like(
        parts[0],
        arrays,
        n_outputs=len(weights),
        slopes=None if slopes is None else np.concatenate(slopes, axis=1) @ weights.T,
    )


def clipped(ensemble: FlatEnsemble) -> FlatEnsemble:
    """The same sums of leaves, answered as chances: what is below 0 is 0, above 1 is 1."""
    if ensemble.link != "identity":
        raise ContractError(f"only sums can be clipped, not answers of link {ensemble.link!r}.")
    return replace(ensemble, link="clipped")


def _put_together(ensembles: Sequence[FlatEnsemble]) -> dict[str, npt.NDArray[np.generic]]:
    """The trees of all one after another; where their leaves go and what they say is left open."""
    moved = []
    nodes = leaves = sets = words = 0
    for e in ensembles:
        is_set = (e.decision & CATEGORICAL) != 0
        part = {name: getattr(e, name) for name in ("feature", "decision", "set_words")}
        for name in ("roots", "left", "right"):
            references = getattr(e, name)
            part[name] = np.where(references >= 0, references + nodes, references - leaves)
        part["threshold"] = np.where(is_set, e.threshold + sets, e.threshold)
        part["set_start"] = e.set_start[:-1] + words
        moved.append(part)
        nodes += len(e.feature)
        leaves += len(e.leaf_values)
        sets += len(e.set_start) - 1
        words += len(e.set_words)
    arrays = {name: np.concatenate([part[name] for part in moved]) for name in moved[0]}
    arrays["set_start"] = np.append(arrays["set_start"], words)
    return arrays


def _slopes(ensembles: Sequence[FlatEnsemble]) -> list[Matrix] | None:
    """The slopes of all, zeros for those of trees alone; None if all are."""
    if all(e.slopes is None for e in ensembles):
        return None
    return [
        np.zeros((e.n_features, e.n_outputs)) if e.slopes is None else e.slopes for e in ensembles
    ]


def _like(
    first: FlatEnsemble,
    arrays: Mapping[str, npt.ArrayLike],
    *,
    n_outputs: int,
    slopes: Matrix | None,
) -> FlatEnsemble:
    return FlatEnsemble.of(
        arrays,
        n_features=first.n_features,
        n_outputs=n_outputs,
        slopes=slopes,
        link=first.link,
        sigmoid=first.sigmoid,
    )
