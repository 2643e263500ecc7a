"""What one unit more of a dose does, where arms are doses of one thing."""

import numpy as np

from uplift.errors import ContractError
from uplift.evaluation.curves import ratio
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.resampling import Floats


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
