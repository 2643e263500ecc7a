"""How predictions are spread: effects beside the outcomes they are differences of.

A model whose effects vary more than the outcomes do, or that promises harm to half of all, shows
here before any outcome is looked at. The blocks of a ranking stand for its rows, so a table gives
what its rows give in numpy.
"""

from dataclasses import dataclass

import numpy as np

from uplift.errors import ContractError
from uplift.evaluation.curves import ratio
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.resampling import Floats

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True)
class Distribution:
    """Of one prediction over all rows, every row counting once."""

    mean: float
    standard_deviation: float
    quantiles: Floats  # at ``QUANTILES``
    share_negative: float


def distribution(sums: RankedSums) -> Distribution:
    """Of what the rows were ranked by; no replicates are needed.

    Exact where every distinct priority has its block; otherwise the means of blocks, of which the
    rarest at both ends are a little nearer to the middle than their rows.

    Args:
        sums: Ranked by an effect, or by an expected outcome.
    """
    rows, value = sums.rows.sum(axis=1)[::-1], sums.priority[::-1]
    share = np.cumsum(rows) / rows.sum()
    mean = float(np.average(value, weights=rows))
    at = np.minimum(np.searchsorted(share, np.array(QUANTILES) - 1e-12), len(value) - 1)
    return Distribution(
        mean=mean,
        standard_deviation=float(np.sqrt(np.average((value - mean) ** 2, weights=rows))),
        quantiles=value[at],
        share_negative=float(rows[value < 0].sum() / rows.sum()),
    )


def relative_spread(effect: Distribution, outcome: Distribution) -> float:
    """Standard deviation of the effect over that of the expected outcome without treatment.

    Effects are mostly smaller than what makes customers differ anyway; near or above 1 the spread
    is likely to be noise of the outcome models, of which the effect is the difference.
    """
    return float(ratio(np.array(effect.standard_deviation), np.array(outcome.standard_deviation)))


def dose_effect(sums: RankedSums, doses: Floats) -> Floats:
    """Slope of the outcome on the dose in every top, shape (R + 1, B): the effect of one unit more.

    Where arms are doses of one thing, such as a coupon's euro: least squares over the rows of all
    arms, best block first, as in the cumulative effect curve of Facure (2022). Times the share of
    rows in the top it is the cumulative gain.

    Args:
        sums: Of all arms.
        doses: Of arms 0..K, shape (K + 1,).
    """
    amount = np.asarray(doses, dtype=np.float64)
    if amount.shape != (sums.n_arms,) or np.ptp(amount) == 0:
        raise ContractError(
            f"doses {amount.tolist()} of {sums.n_arms} arms; give one per arm, not all equal."
        )
    n, y = np.cumsum(sums.n, axis=1), np.cumsum(sums.y, axis=1)
    heads = n.sum(axis=2)
    away = amount - ratio((n * amount).sum(axis=2), heads)[:, :, np.newaxis]
    return ratio((y * away).sum(axis=2), (n * away**2).sum(axis=2))
