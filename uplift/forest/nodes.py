"""The nodes of a tree: while it grows, and when it is done."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.forest.histograms import Codes, Flags, Integers, Sums
from uplift.forest.moments import Layout, moments
from uplift.forest.sampling import Keys
from uplift.forest.settings import ForestSettings


@dataclass(frozen=True, eq=False)
class Tree:
    """The structure of one tree: M nodes, level by level, the root first.

    Attributes:
        feature: Column that each node splits on, -1 at a leaf, shape (M,).
        split: The last bin that goes to the low child, shape (M,).
        missing_low: Whether missing values go to the low child, shape (M,).
        low: Child for low bins, -1 at a leaf, shape (M,).
        high: Child for the others, shape (M,).
        gain: What the split gained, shape (M,).
        path: 1 at the root; the children of a node with path p have 2p and 2p + 1, shape (M,).
        level_bin: Bin of every level of the categorical features, shape (c, 65,536).
    """

    feature: Integers
    split: Integers
    missing_low: Flags
    low: Integers
    high: Integers
    gain: npt.NDArray[np.float64]
    path: Keys
    level_bin: Codes


def shrunk_means(
    sums: Sums, parent: npt.NDArray[np.float64], layout: Layout, shrinkage: float
) -> npt.NDArray[np.float64]:
    """Mean and mean square of every node and arm, mixed with ``shrinkage`` rows of the parent.

    An arm without a row answers as the parent. Shapes: sums (m, n_arms, width), parent and the
    answer (m, n_arms, 2).
    """
    cells = moments(sums, layout)
    weight = cells.weight[..., None] + shrinkage
    mixed = np.stack([cells.outcome, cells.square], axis=-1) + shrinkage * parent
    return np.where(weight > 0.0, mixed / np.where(weight > 0.0, weight, 1.0), parent)


class GrowingNodes:
    """The nodes of a growing tree, in the order in which they came to be."""

    def __init__(self, total: Sums, n_rows: int, layout: Layout, settings: ForestSettings) -> None:
        least = max(settings.min_leaf_rows, settings.min_arm_rows * len(total))
        capacity = min(2 ** (settings.max_depth + 1), 2 * (n_rows // least) + 2)
        self._layout, self._settings = layout, settings
        self.n = 1
        self.feature = np.full(capacity, -1, dtype=np.int64)
        self.split = np.zeros(capacity, dtype=np.int64)
        self.missing_low = np.zeros(capacity, dtype=np.bool_)
        self.low = np.full(capacity, -1, dtype=np.int64)
        self.high = np.full(capacity, -1, dtype=np.int64)
        self.gain = np.zeros(capacity)
        self.path = np.ones(capacity, dtype=np.uint64)
        self.depth = np.zeros(capacity, dtype=np.int64)
        self.start = np.zeros(capacity, dtype=np.int64)
        self.end = np.full(capacity, n_rows, dtype=np.int64)
        self.total = np.zeros((capacity, *total.shape), dtype=np.int64)
        self.total[0] = total
        self.means = np.zeros((capacity, len(total), 2))
        self.means[0] = shrunk_means(total[None], np.zeros((1, len(total), 2)), layout, 0.0)[0]

    def add_children(
        self, parents: Integers, low_total: Sums, n_low: Integers
    ) -> tuple[Integers, Integers]:
        """Two new nodes for every parent; their numbers, low ones and high ones."""
        low = self.n + 2 * np.arange(len(parents))
        high = low + 1
        self.n += 2 * len(parents)
        self.low[parents], self.high[parents] = low, high
        self.total[low], self.total[high] = low_total, self.total[parents] - low_total
        self.path[low] = self.path[parents] * np.uint64(2)
        self.path[high] = self.path[low] + np.uint64(1)
        self.start[low], self.end[high] = self.start[parents], self.end[parents]
        self.end[low] = self.start[high] = self.start[parents] + n_low
        for children in (low, high):
            self.depth[children] = self.depth[parents] + 1
            self.means[children] = shrunk_means(
                self.total[children],
                self.means[parents],
                self._layout,
                self._settings.split_shrinkage,
            )
        return low, high

    def may_split(self, which: Integers) -> Flags:
        """Whether two children of the least size, with all arms, could come out of a node."""
        n = moments(self.total[which], self._layout).n
        return np.asarray(
            (self.depth[which] < self._settings.max_depth)
            & (n.sum(axis=1) >= 2 * self._settings.min_leaf_rows)
            & (n.min(axis=1) >= 2 * self._settings.min_arm_rows)
        )

    def finished(self, level_bin: Codes) -> Tree:
        """Number the nodes by their paths: level by level, whatever order they were grown in."""
        order = np.argsort(self.path[: self.n])
        number = np.empty(self.n + 1, dtype=np.int64)
        number[order] = np.arange(self.n)
        number[-1] = -1
        return Tree(
            feature=self.feature[order],
            split=self.split[order],
            missing_low=self.missing_low[order],
            low=number[self.low[order]],
            high=number[self.high[order]],
            gain=self.gain[order],
            path=self.path[order],
            level_bin=level_bin,
        )
