"""One tree: level by level from histograms, then every row of the other half to its leaf.

A level costs one pass over the rows of the smaller children; the larger sibling is what the
parent's histogram has left. Nothing here asks where rows are: the histograms of one table or the
sums over many give the same tree, to the last bit.
"""

from dataclasses import dataclass

import numpy as np

from uplift.forest.categories import level_bins
from uplift.forest.criteria import best_splits
from uplift.forest.histograms import (
    Codes,
    Flags,
    Integers,
    Sample,
    Sums,
    add_all,
    add_leaves,
    add_nodes,
    leaves_of,
    part_nodes,
    sibling_histograms,
)
from uplift.forest.log import CodedLog
from uplift.forest.nodes import GrowingNodes, Tree
from uplift.forest.rules import Rules, Splits
from uplift.forest.sampling import Keys, Places, draw_features, draw_rows
from uplift.forest.settings import CRITERIA, ForestSettings

_BUNCH_BYTES = 64 << 20  # histograms of nodes that are searched together


@dataclass(frozen=True, eq=False)
class EstimatedTree:
    """A tree and what its estimating part adds up to.

    Attributes:
        tree: The structure.
        sums: Sums of the estimating part by node and arm, shape (M, n_arms, width).
    """

    tree: Tree
    sums: Sums


def grow_tree(log: CodedLog, settings: ForestSettings, *, seed: int, number: int) -> EstimatedTree:
    """Tree ``number`` of a forest: grown on one part of its sample, estimated on the other."""
    n_shards = settings.n_shards(len(log.arm))
    growing, estimating = rows_of_tree(log.keys, settings, n_shards, seed=seed, number=number)
    tree = find_splits(log, growing, settings, seed=seed, number=number)
    return EstimatedTree(tree, sum_nodes(tree, log, estimating))


def rows_of_tree(
    keys: Keys, settings: ForestSettings, n_shards: int, *, seed: int, number: int
) -> tuple[Places, Places]:
    """Rows that find the splits of a tree, and rows that fill its leaves, of whatever is here."""
    in_groups = settings.trees_per_group > 1
    return draw_rows(
        keys,
        seed,
        number,
        number // settings.trees_per_group,
        0.5 if in_groups else 1.0,
        settings.sample_share * (2.0 if in_groups else 1.0),
        n_shards,
        settings.is_honest,
    )


def find_splits(
    log: CodedLog, growing: Places, settings: ForestSettings, *, seed: int, number: int
) -> Tree:
    """The structure of tree ``number`` from its growing rows."""
    bins = level_bins(log, growing)
    features = _features_of_tree(log, settings, seed, number)
    sample = log.sample(growing, features, bins)
    return grow_structure(sample, features, bins, log, settings, seed, number)


def _features_of_tree(log: CodedLog, settings: ForestSettings, seed: int, number: int) -> Integers:
    n_features = log.bins.n_features
    n_drawn = settings.features_per_tree or n_features
    root = np.zeros(1, dtype=np.uint64)
    return np.flatnonzero(draw_features(n_features, n_drawn, seed, number, root)[0])


def rules_of(settings: ForestSettings) -> Rules:
    """The settings as the search wants them."""
    return Rules(
        CRITERIA[settings.criterion],
        float(settings.min_leaf_rows),
        float(settings.min_arm_rows),
        settings.min_child_share,
        settings.split_shrinkage,
        settings.is_normalised,
    )


def grow_structure(
    sample: Sample,
    features: Integers,
    level_bin: Codes,
    log: CodedLog,
    settings: ForestSettings,
    seed: int,
    number: int,
) -> Tree:
    """Find the splits of one tree from its growing half.

    Args:
        sample: The growing half.
        features: The columns of the log that the sample's columns are.
        level_bin: Bin of every level, shape (c, 65,536); handed on to the tree.
        log: Bins and layout of the sample.
        settings: Of the forest.
        seed: Of every random choice.
        number: Of the tree.
    """
    growth = _Growth(sample, features, log, settings, seed, number)
    root = np.zeros(1, dtype=np.int64)
    bunches = [(root, growth.count(root))] if growth.nodes.may_split(root)[0] else []
    while bunches:
        which, histograms = bunches.pop()
        bunches += growth.split(which, histograms)
    return growth.nodes.finished(level_bin)


class _Growth:
    """A sample whose rows stand in the order of the nodes that hold them."""

    def __init__(
        self,
        sample: Sample,
        features: Integers,
        log: CodedLog,
        settings: ForestSettings,
        seed: int,
        number: int,
    ) -> None:
        n_rows = len(sample.arm)
        total = np.zeros((log.n_arms, log.layout.width), dtype=np.int64)
        add_all(sample.arm, sample.values, total)
        self.nodes = GrowingNodes(total, n_rows, log.layout, settings)
        self._sample, self._features, self._layout = sample, features, log.layout
        self._order = np.arange(n_rows, dtype=np.int32)
        self._n_bins = np.diff(log.bins.first_bin)[features]
        self._first_bin = np.concatenate([[0], np.cumsum(self._n_bins)])
        self._shape = (int(self._first_bin[-1]), log.n_arms, log.layout.width)
        self._rules, self._seed, self._number = rules_of(settings), seed, number
        self._n_drawn = settings.features_per_node or len(features)

    def count(self, which: Integers) -> Sums:
        """The histograms of some nodes, from their rows."""
        histograms = np.zeros((len(which), *self._shape), dtype=np.int64)
        starts, ends = self.nodes.start[which], self.nodes.end[which]
        add_nodes(self._sample, self._order, starts, ends, self._first_bin, histograms)
        return histograms

    def split(self, which: Integers, histograms: Sums) -> list[tuple[Integers, Sums]]:
        """Split each node where it is best; the children that go on, with their histograms."""
        nodes = self.nodes
        allowed = draw_features(
            len(self._features), self._n_drawn, self._seed, self._number, nodes.path[which]
        )
        best = best_splits(
            histograms, self._first_bin, allowed, nodes.means[which], self._layout, self._rules
        )
        won = np.flatnonzero(best.feature >= 0)
        if not len(won):
            return []
        low, high, low_is_small = self._part(which[won], best, won)
        open_low, open_high = nodes.may_split(low), nodes.may_split(high)
        go_on = np.flatnonzero(open_low | open_high)
        small, large = np.where(low_is_small, [low, high], [high, low])[:, go_on]
        small_goes, large_goes = np.where(
            low_is_small, [open_low, open_high], [open_high, open_low]
        )[:, go_on]
        kept_small, kept_large = np.flatnonzero(small_goes), np.flatnonzero(large_goes)
        sums = sibling_histograms(histograms, won[go_on], self.count(small), kept_small, kept_large)
        pending = np.concatenate([small[kept_small], large[kept_large]])
        most = max(1, _BUNCH_BYTES // (8 * int(np.prod(self._shape))))
        parts = [slice(first, first + most) for first in range(0, len(pending), most)]
        return [(pending[part], sums[part]) for part in parts]

    def _part(
        self, parents: Integers, best: Splits, won: Integers
    ) -> tuple[Integers, Integers, Flags]:
        """Record the splits and part the rows; the children, and whether the low is smaller."""
        nodes, column = self.nodes, best.feature[won]
        starts, ends = nodes.start[parents], nodes.end[parents]
        n_low = part_nodes(
            self._sample.codes,
            self._order,
            starts,
            ends,
            column,
            best.split[won],
            best.missing_low[won],
            self._n_bins - 1,
        )
        nodes.feature[parents] = self._features[column]
        nodes.split[parents] = best.split[won]
        nodes.missing_low[parents] = best.missing_low[won]
        nodes.gain[parents] = best.gain[won]
        low, high = nodes.add_children(parents, best.low[won], n_low)
        return low, high, 2 * n_low <= ends - starts


def sum_nodes(tree: Tree, log: CodedLog, rows: Places) -> Sums:
    """What some rows add up to in every node, shape (M, n_arms, width); additive."""
    return rolled_up(tree, sum_leaves(tree, log, rows))


def sum_leaves(tree: Tree, log: CodedLog, rows: Places) -> Sums:
    """What some rows add up to in every leaf; zeros at splits, shape (M, n_arms, width)."""
    sums = np.zeros((len(tree.feature), log.n_arms, log.layout.width), dtype=np.int64)
    leaves = leaves_of(
        log.codes,
        log.levels,
        rows,
        tree.feature,
        tree.split,
        tree.missing_low,
        tree.low,
        tree.high,
        np.diff(log.bins.first_bin) - 1,
        log.level_place,
        tree.level_bin,
    )
    add_leaves(leaves, rows, log.arm, log.values, sums)
    return sums


def rolled_up(tree: Tree, leaves: Sums) -> Sums:
    """Sums of every node from those of the leaves."""
    sums = leaves.copy()
    for node in np.flatnonzero(tree.feature >= 0)[::-1]:
        sums[node] = sums[tree.low[node]] + sums[tree.high[node]]
    return sums
