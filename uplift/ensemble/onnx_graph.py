"""An ensemble for other runtimes: an ONNX graph with one output per arm.

Trees are a TreeEnsembleRegressor, slopes a matrix product, the link is elementwise. Features come
in and thresholds stand there in double precision, so that every row ends in its own leaf; the
operator answers in single precision, which is all that separates the graph from the ensemble. Two
things the operator does not know are spelled out as chains of nodes that share a child: a category
set, and a zero that counts as missing. Categories must be whole numbers, as the encoder gives them.
"""

import importlib
import math
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from uplift.ensemble.decisions import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN, MISSING_ZERO, ZERO
from uplift.ensemble.flat import FlatEnsemble, Matrix
from uplift.errors import ConfigError, ContractError

Question: TypeAlias = tuple[str, float, int, int, int]
"""Mode, value, where a yes and a no lead, and whether a missing value is a yes."""

INPUT, OUTPUT = "features", "expected_outcome"
TOLERANCE = 1e-5  # of an answer, or of 1 where that is larger

_OPSETS = {"": 17, "ai.onnx.ml": 3}
_IR_VERSION = 8
_PROBES = 2000
_BELOW_ZERO = math.nextafter(-ZERO, -math.inf)  # the largest number that is less than any zero


def write_onnx(path: Path, ensemble: FlatEnsemble, *, metadata: Mapping[str, str]) -> None:
    """Write the graph, once onnxruntime has answered with it as the ensemble does.

    Args:
        path: Of the file.
        ensemble: What answers.
        metadata: Travels with the graph.

    Raises:
        ConfigError: The extra ``onnx`` is not installed.
        ContractError: The graph's answers are not the ensemble's.
    """
    graph = onnx_bytes(ensemble, metadata=metadata)
    check_onnx(graph, ensemble, probes(ensemble))
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.staging")
    staging.write_bytes(graph)
    staging.replace(path)


def onnx_bytes(ensemble: FlatEnsemble, *, metadata: Mapping[str, str]) -> bytes:
    """The graph: ``features`` (n, d) as doubles to ``expected_outcome`` (n, n_outputs)."""
    onnx = _library("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node(
            "TreeEnsembleRegressor", [INPUT], ["leaves"], domain="ai.onnx.ml", **_trees(ensemble)
        ),
        helper.make_node("Cast", ["leaves"], ["sum_of_leaves"], to=kinds.DOUBLE),
    ]
    constants: dict[str, Matrix] = {}
    raw = "sum_of_leaves"
    if ensemble.slopes is not None:
        constants |= {"slopes": ensemble.slopes, "nothing": np.zeros(1)}
        nodes += [
            helper.make_node("IsNaN", [INPUT], ["is_missing"]),
            helper.make_node("Where", ["is_missing", "nothing", INPUT], ["known"]),
            helper.make_node("MatMul", ["known", "slopes"], ["sum_of_slopes"]),
            helper.make_node("Add", ["sum_of_leaves", "sum_of_slopes"], ["raw"]),
        ]
        raw = "raw"
    if ensemble.link == "logistic":
        constants["steepness"] = np.array([ensemble.sigmoid])
        nodes += [
            helper.make_node("Mul", [raw, "steepness"], ["steep"]),
            helper.make_node("Sigmoid", ["steep"], [OUTPUT]),
        ]
    elif ensemble.link == "clipped":
        constants |= {"low": np.array(0.0), "high": np.array(1.0)}
        nodes.append(helper.make_node("Clip", [raw, "low", "high"], [OUTPUT]))
    else:
        nodes.append(helper.make_node("Identity", [raw], [OUTPUT]))
    graph = helper.make_graph(
        nodes,
        "uplift",
        [helper.make_tensor_value_info(INPUT, kinds.DOUBLE, [None, ensemble.n_features])],
        [helper.make_tensor_value_info(OUTPUT, kinds.DOUBLE, [None, ensemble.n_outputs])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def check_onnx(graph: bytes, ensemble: FlatEnsemble, features: Matrix) -> None:
    """See that onnxruntime answers these rows as the ensemble does.

    Raises:
        ContractError: It does not.
    """
    runtime = _library("onnxruntime")
    session = runtime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (theirs,) = session.run([OUTPUT], {INPUT: features})
    ours = ensemble.predict(features)
    wrong = np.abs(theirs - ours) > TOLERANCE * np.maximum(1.0, np.abs(ours))
    if wrong.any():
        raise ContractError(
            f"the ONNX graph answers {theirs[wrong][0]!r} where the ensemble says "
            f"{ours[wrong][0]!r}, in {int(wrong.sum())} of {wrong.size} answers. Serve the bundle "
            "itself, and report this model."
        )


def probes(ensemble: FlatEnsemble) -> Matrix:
    """Rows that try every kind of value: on thresholds and beside them, categories, gaps."""
    rng = np.random.default_rng(0)
    rows = np.empty((_PROBES, ensemble.n_features))
    for column in range(ensemble.n_features):
        at = ensemble.feature == column
        is_set = (ensemble.decision[at] & CATEGORICAL) != 0
        cuts = ensemble.threshold[at][~is_set]
        cuts = cuts[np.isfinite(cuts)]
        above, below = (np.nextafter(cuts, side) for side in (np.inf, -np.inf))
        levels = np.arange(int(is_set.any()) * 70)
        values = np.concatenate([cuts, above, below, levels, [0.0, 1.0, -1.0, np.nan]])
        if is_set.any():  # a category is a whole number, or missing
            values = np.concatenate([levels, [np.nan]])
        rows[:, column] = rng.choice(values, _PROBES)
    return rows


def _trees(ensemble: FlatEnsemble) -> dict[str, Any]:
    """The attributes of the operator."""
    table = _NodeTable(ensemble)
    for number, root in enumerate(ensemble.roots.tolist()):
        table.add_tree(number, root)
    return table.attributes()


class _NodeTable:
    """Nodes as the operator lists them, tree by tree."""

    def __init__(self, ensemble: FlatEnsemble) -> None:
        self._ensemble = ensemble
        self._nodes: list[tuple[int, int, str, int, float, int, int, int]] = []
        self._targets: list[tuple[int, int, int, float]] = []

    def add_tree(self, tree: int, root: int) -> None:
        """All nodes below a root, which gets number 0; a reference is numbered when it is met."""
        number = {root: 0}
        ahead = [root]
        free = 1
        while ahead:
            reference = ahead.pop()
            if reference < 0:
                self._add_leaf(tree, number[reference], ~reference)
                continue
            left, right = (int(side[reference]) for side in self._sides)
            for child in (left, right):
                number[child] = free
                free += 1
            ahead += [right, left]
            asked = self._questions(reference, number[left], number[right])
            places = [number[reference], *range(free, free + len(asked) - 1)]
            free += len(asked) - 1
            feature = int(self._ensemble.feature[reference])
            for place, (mode, value, *ways, missing) in zip(places, asked, strict=True):
                yes, no = (way if way >= 0 else places[~way] for way in ways)
                self._nodes.append((tree, place, mode, feature, value, yes, no, missing))

    @property
    def _sides(self) -> tuple[Any, Any]:
        return self._ensemble.left, self._ensemble.right

    def _questions(self, node: int, left: int, right: int) -> list[Question]:
        """What is asked in turn at a node; way ~k leads to question k."""
        ensemble = self._ensemble
        decision, threshold = int(ensemble.decision[node]), float(ensemble.threshold[node])
        if decision & CATEGORICAL:
            start, end = ensemble.set_start[int(threshold)], ensemble.set_start[int(threshold) + 1]
            words = ensemble.set_words[start:end].astype("<u4")
            members = np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little"))
            ways = [~(step + 1) for step in range(len(members) - 1)] + [right]
            asked: list[Question] = [
                ("BRANCH_EQ", float(member), left, way, 0)
                for member, way in zip(members.tolist(), ways, strict=False)
            ]
            return asked or [("BRANCH_EQ", -1.0, right, right, 0)]
        default = left if decision & DEFAULT_LEFT else right
        if decision & MISSING_ZERO:
            return [
                ("BRANCH_LEQ", _BELOW_ZERO, ~2, ~1, 0),
                ("BRANCH_LEQ", ZERO, default, ~2, 1),
                ("BRANCH_LEQ", threshold, left, right, 0),
            ]
        if -ZERO <= threshold < ZERO:  # as zero counts what is nearly zero
            threshold = ZERO if threshold >= 0.0 else _BELOW_ZERO
        goes_left = default == left if decision & MISSING_NAN else threshold >= 0.0
        return [("BRANCH_LEQ", threshold, left, right, int(goes_left))]

    def _add_leaf(self, tree: int, number: int, leaf: int) -> None:
        self._nodes.append((tree, number, "LEAF", 0, 0.0, 0, 0, 0))
        first = int(self._ensemble.first_output[tree])
        for entry, value in enumerate(self._ensemble.leaf_values[leaf].tolist()):
            self._targets.append((tree, number, first + entry, value))

    def attributes(self) -> dict[str, Any]:
        """Columns, by the names of the operator."""
        onnx = _library("onnx")
        nodes = sorted(self._nodes)
        columns = [list(column) for column in zip(*nodes, strict=True)]
        trees, places, modes, features, values, yes, no, missing = columns
        in_trees, at_nodes, targets, weights = (
            list(column) for column in zip(*self._targets, strict=True)
        )

        def tensor(name: str, numbers: list[Any]) -> Any:
            return onnx.helper.make_tensor(name, onnx.TensorProto.DOUBLE, [len(numbers)], numbers)

        return {
            "n_targets": self._ensemble.n_outputs,
            "nodes_treeids": trees,
            "nodes_nodeids": places,
            "nodes_modes": modes,
            "nodes_featureids": features,
            "nodes_values_as_tensor": tensor("nodes_values", values),
            "nodes_truenodeids": yes,
            "nodes_falsenodeids": no,
            "nodes_missing_value_tracks_true": missing,
            "target_treeids": in_trees,
            "target_nodeids": at_nodes,
            "target_ids": targets,
            "target_weights_as_tensor": tensor("target_weights", weights),
        }


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"an ONNX graph needs `{name}`, which is not installed. Install the extra `onnx` "
            "(pip install 'uplift-scoring[onnx]')."
        ) from error
