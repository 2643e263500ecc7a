"""Categories put in order by their effect, so that a split of an ordered feature serves them too.

For one treatment and the ``causal`` criterion the best of all subsets is a cut of this order
(Fisher, Journal of the American Statistical Association 1958; Breiman et al. 1984, section 4.2);
elsewhere it is a good guess. The order comes from a tree's growing half alone: the half that
fills the leaves must not have had a say in it.
"""

import numpy as np
import numpy.typing as npt

from uplift.forest.bins import MOST_BINS
from uplift.forest.histograms import Codes, Sums, add_levels
from uplift.forest.log import CodedLog
from uplift.forest.moments import Layout, moments
from uplift.forest.sampling import Places

_ALL_LEVELS = 1 << 16
PRIOR_ROWS = 10.0  # rows of no effect that every level is mixed with, or rare ones fill both ends


def level_bins(log: CodedLog, rows: Places) -> Codes:
    """The bin that one tree gives to every level, shape (c, 65,536), learned from ``rows``."""
    categorical = log.bins.categorical
    bins = np.empty((len(categorical), _ALL_LEVELS), dtype=np.uint8)
    for place, column in enumerate(categorical):
        missing = int(np.diff(log.bins.first_bin)[column]) - 1
        sums = np.zeros((_ALL_LEVELS, log.n_arms, log.layout.width), dtype=np.int64)
        add_levels(log.levels[:, place], log.arm, log.values, rows, sums)
        bins[place] = order_levels(sums, log.layout, missing=missing)
    return bins


def order_levels(sums: Sums, layout: Layout, *, missing: int) -> Codes:
    """The bin of every level from its sums: by effect, ascending, folded where there are many.

    A level's effect is the mean of its doubly robust scores with the arms' overall means as
    nuisance, summed over treatments. Levels of neighbouring effects share a bin where there are
    more levels than bins, so that bins hold about equally many rows.

    Args:
        sums: By level and arm, shape (levels, n_arms, width); the last level is that of missing
            values.
        layout: How to read them.
        missing: The code of missing values; levels without a row get it too.
    """
    bins = np.full(len(sums), missing, dtype=np.uint8)
    cells = moments(sums, layout)
    rows = cells.n.sum(axis=1)
    seen = np.flatnonzero(rows[:-1] > 0)
    weight, outcome = cells.weight.sum(axis=0), cells.outcome.sum(axis=0)
    if len(seen) == 0 or weight.min() <= 0.0:
        return bins
    moved = (cells.outcome - cells.weight * (outcome / weight)) * (weight.sum() / weight)
    scores = moved[:, 1:].sum(axis=1) - (weight.size - 1) * moved[:, 0]
    effect = scores / (cells.weight.sum(axis=1) + PRIOR_ROWS)
    order = seen[np.lexsort((seen, effect[seen]))]
    bins[order] = _folded(rows[order], min(MOST_BINS, missing))
    return bins


def _folded(rows: npt.NDArray[np.float64], n_bins: int) -> Codes:
    """Neighbours share a bin until there are at most ``n_bins``, of about equally many rows."""
    if len(rows) <= n_bins:
        return np.arange(len(rows), dtype=np.uint8)
    middle = np.cumsum(rows) - rows / 2.0
    share = np.floor(middle / rows.sum() * n_bins).astype(np.int64)
    return np.unique(share, return_inverse=True)[1].astype(np.uint8)
