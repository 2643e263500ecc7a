"""From the sums of the estimating half to what a leaf answers."""

import numpy as np
import numpy.typing as npt

from uplift.forest.histograms import Sums
from uplift.forest.moments import Layout, moments
from uplift.forest.nodes import Tree, shrunk_means

Matrix = npt.NDArray[np.float64]


def node_values(
    tree: Tree, sums: Sums, layout: Layout, *, prior: Matrix, shrinkage: float
) -> Matrix:
    """Expected outcome of every node and arm, shape (M, n_arms).

    The mean of the estimating half, mixed with ``shrinkage`` rows of the parent's answer. Where an
    arm has no row in a node the parent answers, and above the root ``prior`` does.

    Args:
        tree: The structure.
        sums: By node and arm, shape (M, n_arms, width).
        layout: How to read them.
        prior: Mean outcome of every arm in the whole log, shape (n_arms,).
        shrinkage: In rows (``ForestSettings.leaf_shrinkage``).
    """
    means = np.zeros((*sums.shape[:2], 2))
    above = np.stack([prior, prior], axis=-1)[None]
    means[:1] = shrunk_means(sums[:1], above, layout, 0.0)
    depth = np.floor(np.log2(tree.path.astype(np.float64))).astype(np.int64)
    for level in range(int(depth.max())):
        parents = np.flatnonzero((depth == level) & (tree.feature >= 0))
        for children in (tree.low[parents], tree.high[parents]):
            means[children] = shrunk_means(sums[children], means[parents], layout, shrinkage)
    return means[..., 0]


def arm_means(total: Sums, layout: Layout) -> Matrix:
    """Mean outcome of every arm from sums of shape (n_arms, width)."""
    cells = moments(total, layout)
    return cells.outcome / cells.weight
