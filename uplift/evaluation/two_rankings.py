"""Whom to reach with a given number of coupons: by effect, or by who buys?

A response model finds those who will buy; many of them would have bought anyway. The two rankings
reach the same share of customers, so they cost the same contacts, and are compared on the same
rows and the same replicates.
"""

from dataclasses import dataclass

from uplift.errors import ContractError
from uplift.evaluation.curves import ratio
from uplift.evaluation.metrics import ate, uplift_at
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.resampling import Floats
from uplift.evaluation.uncertainty import Estimate, from_replicates

PER = 1000.0  # customers, reached or not


@dataclass(frozen=True)
class TwoRankings:
    """Outcomes that a treatment adds per 1,000 customers when only the best share gets it."""

    share: float
    by_uplift: Estimate
    by_response: Estimate
    difference: Estimate  # by uplift minus by response, on the same replicates
    in_random_order: Estimate  # the same share, picked blindly


def added_outcomes(sums: RankedSums, treatment: int, share: float) -> Floats:
    """Outcomes added per 1,000 customers if the best ``share`` is treated, shape (R + 1,)."""
    return uplift_at(sums, treatment, share) * share * PER


def share_kept(sums: RankedSums, treatment: int, share: float) -> Floats:
    """Part of what treating everybody adds that treating the best ``share`` keeps, shape (R + 1,).

    Above 1 where the rest is harmed. Not a number where treating everybody adds nothing; of little
    use where that is near.
    """
    return ratio(uplift_at(sums, treatment, share) * share, ate(sums, treatment))


def compare_rankings(
    by_uplift: RankedSums,
    by_response: RankedSums,
    treatment: int,
    *,
    share: float,
    level: float,
) -> TwoRankings:
    """Set two rankings of the same rows against each other.

    Args:
        by_uplift: Ranked by the effect expected of this treatment.
        by_response: Ranked by the outcome expected, whatever the arm; same rows and replicates.
        treatment: Compared with control.
        share: Of the customers that get the treatment.
        level: Of the intervals.

    Raises:
        ContractError: The sums are of different replicates.

    Examples:
        Two groups convert at 0.8 % and 2 % when shown the offer, so a response model reaches the
        second. What each would have done without it, 0.2 % and 1.9 %, reverses the choice:

        >>> import numpy as np
        >>> def sums(*groups):  # (converts with, converts without) of 1,000 each, best first
        ...     y = np.array([[[without, with_] for with_, without in groups]], dtype=float)
        ...     n = np.full(y.shape, 1000.0)
        ...     rows, best_first = n[0].astype(int), -np.arange(len(groups), dtype=float)
        ...     return RankedSums(n, y, rows, best_first, outcome_is_binary=True)
        >>> found = compare_rankings(
        ...     sums((8, 2), (20, 19)), sums((20, 19), (8, 2)), 1, share=0.5, level=0.95)
        >>> round(found.by_uplift.estimate, 6), round(found.by_response.estimate, 6)
        (3.0, 0.5)
    """
    if by_uplift.n_replicates != by_response.n_replicates:
        raise ContractError(
            f"rankings of {by_uplift.n_replicates} and {by_response.n_replicates} replicates "
            "cannot be paired; sum both with the same `evaluation.replicates` and seed."
        )
    ours, theirs = (added_outcomes(s, treatment, share) for s in (by_uplift, by_response))
    return TwoRankings(
        share=share,
        by_uplift=from_replicates(ours, level=level),
        by_response=from_replicates(theirs, level=level),
        difference=from_replicates(ours - theirs, level=level),
        in_random_order=from_replicates(ate(by_uplift, treatment) * share * PER, level=level),
    )
