"""A forest for people and for other programs: every node in words, as JSON wants it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from uplift.arms import CONTROL
from uplift.errors import ContractError
from uplift.forest.forest import CausalForest

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Names:
    """What the numbers are called.

    Attributes:
        features: One per column of the feature matrix.
        arms: Control first.
        levels: The categories of a feature, by its name; where there are none numbers stand.
    """

    features: Sequence[str]
    arms: Sequence[str]
    levels: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def require(self, forest: CausalForest) -> None:
        """There must be as many names as there are things to name."""
        have = (len(self.features), len(self.arms))
        need = (forest.bins.n_features, forest.ensemble.n_outputs)
        if have != need:
            raise ContractError(
                f"there are names for {have[0]} features and {have[1]} arms, the forest has "
                f"{need[0]} and {need[1]}. Take them from the encoder and the arms of the model."
            )


@dataclass(frozen=True)
class NodeWords:
    """One node of a tree as people read it.

    Attributes:
        condition: What sends a row to the ``then`` child; empty at a leaf.
        then: Number of the child where the condition holds, -1 at a leaf.
        otherwise: Number of the other child.
        gain: What the split gained.
        n_rows: Rows of the estimating half, by arm.
        expected_outcome: By arm.
    """

    condition: str
    then: int
    otherwise: int
    gain: float
    n_rows: tuple[int, ...]
    expected_outcome: tuple[float, ...]

    @property
    def effects(self) -> tuple[float, ...]:
        """Of each treatment, in the outcome's unit."""
        control = self.expected_outcome[CONTROL]
        return tuple(outcome - control for outcome in self.expected_outcome[CONTROL + 1 :])


def describe_tree(forest: CausalForest, number: int, names: Names) -> list[NodeWords]:
    """The nodes of one tree, the root first."""
    names.require(forest)
    if not 0 <= number < len(forest.trees):
        raise ContractError(f"there is no tree {number}; the forest has {len(forest.trees)}.")
    grown = forest.trees[number]
    return [
        NodeWords(
            condition=_condition(forest, number, node, names),
            then=int(grown.tree.low[node]),
            otherwise=int(grown.tree.high[node]),
            gain=float(grown.tree.gain[node]),
            n_rows=tuple(int(n) for n in grown.n_rows[node]),
            expected_outcome=tuple(float(value) for value in grown.expected_outcome[node]),
        )
        for node in range(len(grown.tree.feature))
    ]


def forest_document(forest: CausalForest, names: Names) -> dict[str, object]:
    """The whole forest, ready for ``json.dumps``; for reading, not for answering.

    What answers is the ensemble, saved by ``FlatEnsemble.save``.
    """
    return {
        "format_version": FORMAT_VERSION,
        "digest": forest.ensemble.digest(),
        "arms": list(names.arms),
        "settings": dict(vars(forest.settings)),
        "importance": {
            name: float(share)
            for name, share in zip(names.features, forest.importance(), strict=True)
        },
        "trees": [
            [
                {**vars(node), "effects": node.effects}
                for node in describe_tree(forest, number, names)
            ]
            for number in range(len(forest.trees))
        ],
    }


def _condition(forest: CausalForest, number: int, node: int, names: Names) -> str:
    tree, bins = forest.trees[number].tree, forest.bins
    feature, split = int(tree.feature[node]), int(tree.split[node])
    if feature < 0:
        return ""
    name = names.features[feature]
    or_missing = " or missing" if tree.missing_low[node] else ""
    if not bins.n_levels[feature]:
        edges = bins.edges[feature]
        known = f"{name} <= {edges[split]:.5g}" if split < len(edges) else f"{name} is known"
        return known + or_missing
    level_bin = tree.level_bin[int(np.searchsorted(bins.categorical, feature))]
    missing = int(np.diff(bins.first_bin)[feature]) - 1
    own = level_bin[: bins.n_levels[feature]]
    levels = np.flatnonzero((own <= split) & (own != missing))
    words: Sequence[str] = names.levels.get(name, ())
    members = [words[level] if level < len(words) else str(level) for level in levels.tolist()]
    return f"{name} in {{{', '.join(members)}}}{or_missing}"
