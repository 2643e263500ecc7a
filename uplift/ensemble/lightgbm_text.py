"""LightGBM's text model becomes a flat ensemble with the same raw score, to the last bit.

The text carries every number with 17 digits, so nothing is lost on the way, and LightGBM itself
is not needed to read it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from uplift.ensemble.decisions import CATEGORICAL
from uplift.ensemble.flat import FlatEnsemble, Link
from uplift.errors import ContractError

Block = Mapping[str, str]

_IDENTITY = ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "custom")
_WAY_OUT = "Train with objective `binary` or `regression`, boosting `gbdt` and constant leaves."


def compile_lightgbm(model_text: str) -> FlatEnsemble:
    """Compile the text of ``Booster.model_to_string()`` to an ensemble with one output.

    Raises:
        ContractError: The text is not a whole LightGBM model, or its answer is more than a link
            over a sum of leaves: several classes, linear leaves, averaged forests, and objectives
            with another link than identity and logistic.
    """
    header, trees = _blocks(model_text)
    link, sigmoid = _link(header, trees)
    try:
        return _ensemble(header, trees, link, sigmoid)
    except (ContractError, KeyError, ValueError) as error:
        raise ContractError(
            f"the LightGBM model text of {len(trees)} trees is damaged: {error}. Train it again."
        ) from error


def _blocks(text: str) -> tuple[Block, Sequence[Block]]:
    """The header and the trees, each as key and value; a line without ``=`` has no value."""
    body, end, _ = text.partition("\nend of trees")
    header, *trees = [
        {key: value for key, _, value in (line.partition("=") for line in block.splitlines())}
        for block in body.split("\nTree=")
    ]
    announced = len(header.get("tree_sizes", "").split())
    if "tree" not in header or not end or len(trees) != announced:
        raise ContractError(
            f"this is no whole LightGBM model text: it has {len(trees)} of {announced} trees and "
            f"{'an' if end else 'no'} end mark. Take it from Booster.model_to_string()."
        )
    if header.get("version") != "v4":
        raise ContractError(
            f"the LightGBM model text has version {header.get('version')!r}, understood is 'v4'. "
            "Train it again with LightGBM 4."
        )
    return header, trees


def _link(header: Block, trees: Sequence[Block]) -> tuple[Link, float]:
    """The link and its steepness; models that a sum of leaves cannot answer for are refused."""
    objective, *options = header.get("objective", "custom").split()
    if header.get("num_class") != "1" or header.get("num_tree_per_iteration") != "1":
        raise ContractError(f"the model has {header.get('num_class')} classes, not 1. {_WAY_OUT}")
    if "average_output" in header:
        raise ContractError(f"the model averages its trees (boosting `rf`). {_WAY_OUT}")
    n_linear = sum(tree.get("is_linear") == "1" for tree in trees)
    if n_linear:
        raise ContractError(
            f"{n_linear} of {len(trees)} trees have linear leaves (`linear_tree`). {_WAY_OUT}"
        )
    if objective == "binary":
        return "logistic", float(dict(option.split(":") for option in options)["sigmoid"])
    if objective == "cross_entropy":
        return "logistic", 1.0
    if objective in _IDENTITY and "sqrt" not in options:
        return "identity", 1.0
    raise ContractError(
        f"objective `{' '.join([objective, *options])}` has another link than identity and "
        f"logistic. {_WAY_OUT}"
    )


def _ensemble(header: Block, trees: Sequence[Block], link: Link, sigmoid: float) -> FlatEnsemble:
    n_leaves = _integers(trees, "num_leaves")
    n_nodes = n_leaves - 1
    n_sets = _integers(trees, "num_cat")
    first_node, first_leaf, first_set = _starts(n_nodes), _starts(n_leaves), _starts(n_sets)

    def children(key: str) -> npt.NDArray[np.int64]:
        local = _integers(trees, key)
        return np.where(
            local >= 0,
            local + np.repeat(first_node, n_nodes),
            local - np.repeat(first_leaf, n_nodes),
        )

    decision = _integers(trees, "decision_type")
    sets_before = np.where((decision & CATEGORICAL) != 0, np.repeat(first_set, n_nodes), 0)
    with_sets = [tree for tree in trees if tree["num_cat"] != "0"]
    set_sizes = [np.diff(_integers([tree], "cat_boundaries")) for tree in with_sets]
    arrays = {
        "roots": np.where(n_nodes > 0, first_node, ~first_leaf),
        "first_output": np.zeros(len(trees)),
        "feature": _integers(trees, "split_feature"),
        "threshold": _floats(trees, "threshold") + sets_before,
        "decision": decision,
        "left": children("left_child"),
        "right": children("right_child"),
        "set_start": np.cumsum(np.concatenate([[0], *set_sizes])),
        "set_words": _integers(with_sets, "cat_threshold"),
        "leaf_values": _floats(trees, "leaf_value").reshape(-1, 1),
    }
    n_features = int(header["max_feature_idx"]) + 1
    return FlatEnsemble.of(arrays, n_features=n_features, n_outputs=1, link=link, sigmoid=sigmoid)


def _starts(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where each tree's share begins when the shares stand one after another."""
    return np.cumsum(counts) - counts


def _integers(trees: Sequence[Block], key: str) -> npt.NDArray[np.int64]:
    return np.array([int(word) for tree in trees for word in tree[key].split()], dtype=np.int64)


def _floats(trees: Sequence[Block], key: str) -> npt.NDArray[np.float64]:
    return np.array([float(word) for tree in trees for word in tree[key].split()], dtype=np.float64)
