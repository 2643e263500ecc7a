"""Ensembles made of numbers, and ensembles made of ensembles."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from uplift.ensemble.decisions import CATEGORICAL
from uplift.ensemble.flat import ARRAYS, FlatEnsemble
from uplift.errors import ContractError


def constant(values: npt.ArrayLike, n_features: int) -> FlatEnsemble:
    """An ensemble that answers every row with ``values``, shape (n_outputs,).

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
    return FlatEnsemble.of(arrays, n_features=n_features, n_outputs=len(outputs))


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
    moved = []
    nodes = leaves = sets = words = outputs = 0
    for e in ensembles:
        is_set = (e.decision & CATEGORICAL) != 0
        part = {name: getattr(e, name) for name in ARRAYS}
        for name in ("roots", "left", "right"):
            part[name] = np.where(part[name] >= 0, part[name] + nodes, part[name] - leaves)
        part["threshold"] = np.where(is_set, e.threshold + sets, e.threshold)
        part["first_output"] = e.first_output + outputs
        part["set_start"] = e.set_start[:-1] + words
        moved.append(part)
        nodes += len(e.feature)
        leaves += len(e.leaf_values)
        sets += len(e.set_start) - 1
        words += len(e.set_words)
        outputs += e.n_outputs
    arrays = {name: np.concatenate([part[name] for part in moved]) for name in ARRAYS}
    arrays["set_start"] = np.append(arrays["set_start"], words)
    first = ensembles[0]
    return FlatEnsemble.of(
        arrays,
        n_features=first.n_features,
        n_outputs=outputs,
        link=first.link,
        sigmoid=first.sigmoid,
    )
