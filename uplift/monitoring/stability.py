"""Population stability: how far tonight's distribution is from the one that was learned from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_PRIOR = 0.5  # a row in each bin before any is counted: an empty bin is no infinite distance


@dataclass(frozen=True, eq=False)
class Binning:
    """Bins for each of d columns.

    Attributes:
        edges: Per column, rising: bin b holds what is at least edge b-1 and below edge b. Missing
            values (NaN) have the bin after the last.
    """

    edges: tuple[Floats, ...]

    @property
    def width(self) -> int:
        """Columns of a table of counts: the most bins of any column, and one for missing values."""
        return max((len(edges) + 2 for edges in self.edges), default=0)

    def count(self, matrix: Floats) -> Counts:
        """Rows per bin, shape (d, width); sums over parts of the rows are those of all.

        Args:
            matrix: Shape (n, d), NaN where missing.
        """
        counts = np.zeros((len(self.edges), self.width), dtype=np.int64)
        for column, edges in enumerate(self.edges):
            values = matrix[:, column]
            place = np.searchsorted(edges, values, side="right")
            place[np.isnan(values)] = self.width - 1
            counts[column] = np.bincount(place, minlength=self.width)
        return counts


def fit_binning(matrix: Floats, *, n_bins: int, is_code: Sequence[bool] = ()) -> Binning:
    """Bins that are equally full as far as ties allow; codes of categories have one each.

    Equal values never part, so a value that many share makes fewer, fuller bins.

    Args:
        matrix: Shape (n, d), NaN where missing; a column without values gets a single bin.
        n_bins: Most bins of a numeric column.
        is_code: Whether a column holds codes 0, 1, ... of categories; none if empty.
    """
    codes = is_code or [False] * matrix.shape[1]
    edges: list[Floats] = []
    for values, is_categorical in zip(matrix.T, codes, strict=True):
        known = values[~np.isnan(values)]
        if is_categorical:
            edges.append(np.unique(known)[1:])
        elif len(known):
            edges.append(_cuts(known, n_bins))
        else:
            edges.append(np.empty(0))
    return Binning(tuple(edges))


def stability_index(expected: Counts, found: Counts) -> Floats:
    """Population stability index of each column: sum over bins of (q - p) ln(q / p).

    p and q are shares of the expected and of the found rows (Siddiqi 2006, Credit Risk Scorecards;
    it is the symmetric Kullback-Leibler divergence, Kullback & Leibler 1951). 0 is no change; by
    custom 0.1 is worth a look and 0.25 is another population. Each bin gets half a row beforehand,
    so without any change it is about (bins - 1) (1/n + 1/m): not valid for a few hundred rows.

    Args:
        expected: Rows per bin, shape (d, bins), at training.
        found: The same, tonight.

    Returns:
        Shape (d,).

    Examples:
        >>> stability_index(np.array([[500, 500]]), np.array([[500, 500]])).round(3).tolist()
        [0.0]
        >>> stability_index(np.array([[500, 500]]), np.array([[800, 200]])).round(3).tolist()
        [0.415]
    """
    p, q = _shares(expected, found), _shares(found, expected)
    index: Floats = ((q - p) * np.log(q / p)).sum(axis=1)
    return index


def missing_share(counts: Counts) -> Floats:
    """Share of missing values of each column, shape (d,); 0 where there are no rows."""
    share: Floats = counts[:, -1] / np.maximum(counts.sum(axis=1), 1)
    return share


def _cuts(known: Floats, n_bins: int) -> Floats:
    """Rising cuts between the bins of a numeric column, none below its least value."""
    inner = np.arange(1, n_bins) / n_bins
    cuts = np.unique(np.quantile(known, inner, method="inverted_cdf"))
    least = known.min()
    above = known[known > least]
    if cuts[0] == least and len(above):  # many rows share the least value: a bin of its own
        cuts[0] = above.min()
    cut: Floats = np.unique(cuts[cuts > least])
    return cut


def _shares(counts: Counts, other: Counts) -> Floats:
    """Shares by bin; a bin that neither table uses has none, so padding counts for nothing."""
    filled = np.where(counts + other > 0, counts + _PRIOR, 0.0)
    shares: Floats = filled / np.maximum(filled.sum(axis=1, keepdims=True), _PRIOR)
    return np.where(shares > 0.0, shares, 1.0)
