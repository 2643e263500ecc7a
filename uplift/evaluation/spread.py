"""How predictions are spread: effects beside expected outcomes, so that an unstable model shows.

An effect is a difference of two expected outcomes, and seldom as spread out as they are. Effects
whose spread comes near that of the outcomes are usually two errors taken from each other.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.errors import ContractError
from uplift.evaluation.checks import FINITE, refuse

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BINS = 40


@dataclass(frozen=True, eq=False)
class Spread:
    """Of one kind of prediction over customers.

    Attributes:
        mean: Of all.
        standard_deviation: Of all.
        quantiles: At ``LEVELS``.
        share_negative: Share below 0.
        edges: Of bins of equal width from the 0.5 % to the 99.5 % quantile, shape (BINS + 1,).
        density: Share of customers in each bin, shape (BINS,).
    """

    mean: float
    standard_deviation: float
    quantiles: tuple[float, ...]
    share_negative: float
    edges: npt.NDArray[np.float64]
    density: npt.NDArray[np.float64]


def spread_of(predictions: npt.ArrayLike) -> Spread:
    """Describe predictions of shape (n,).

    Examples:
        >>> found = spread_of([-1.0, 0.0, 1.0, 2.0])
        >>> found.mean, found.share_negative
        (0.5, 0.25)
    """
    values = np.asarray(predictions, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ContractError(f"predictions of shape {values.shape}; give one per customer.")
    refuse("prediction", values[~np.isfinite(values)], len(values), way_out=FINITE)
    low, high = np.quantile(values, [0.005, 0.995])
    counts, edges = np.histogram(values, bins=BINS, range=(low, high if high > low else low + 1.0))
    return Spread(
        mean=float(values.mean()),
        standard_deviation=float(values.std()),
        quantiles=tuple(float(q) for q in np.quantile(values, LEVELS)),
        share_negative=float((values < 0.0).mean()),
        edges=edges,
        density=counts / len(values),
    )
