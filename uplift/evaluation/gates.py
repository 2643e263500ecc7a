"""Group average effects, sorted by prediction or by any group a person names (GATES).

Chernozhukov, Demirer, Duflo and Fernandez-Val (2018): the effect in each group by plain difference
in means, weighted by 1 / propensity, so that nothing but the draw by chance is assumed. Valid only
for groups that were made without these rows' outcomes.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from uplift.arms import CONTROL
from uplift.evaluation.curves import ratio, tops
from uplift.evaluation.metrics import uplift_by_bin
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.resampling import Floats
from uplift.evaluation.uncertainty import (
    Estimate,
    from_replicates,
    wald_statistic,
    where_something_happened,
)


@dataclass(frozen=True)
class GroupEffects:
    """Effects of one treatment by group, the group of the highest priority first."""

    effects: tuple[Estimate, ...]
    n_treated: Floats  # (groups,) weighted rows in the data
    n_control: Floats
    best_less_worst: Estimate  # first group minus last, on the same replicates
    p_equal: float  # of all groups having one effect; not a number where the data cannot say


def sorted_group_effects(
    sums: RankedSums, treatment: int, *, level: float, groups: int = 5
) -> GroupEffects:
    """Effects in groups of equal size, best predictions first.

    Args:
        sums: Ranked by the predicted effect, with replicates.
        treatment: Compared with control.
        level: Of the intervals.
        groups: How many.
    """
    found = uplift_by_bin(sums, treatment, bins=groups)
    return _group_effects(found.uplift, found.n_treated, found.n_control, level)


def given_group_effects(sums: RankedSums, treatment: int, *, level: float) -> GroupEffects:
    """Effects in the blocks themselves, for groups that somebody has named.

    Args:
        sums: Of ``ranked_sums`` with the group's number as priority and ``max_blocks`` None.
        treatment: Compared with control.
        level: Of the intervals.
    """
    tops(sums, treatment)  # refuses what is no treatment
    treated, control = (ratio(sums.y[:, :, k], sums.n[:, :, k]) for k in (treatment, CONTROL))
    n = sums.n[0]
    return _group_effects(treated - control, n[:, treatment], n[:, CONTROL], level)


def _group_effects(
    uplift: Floats, n_treated: Floats, n_control: Floats, level: float
) -> GroupEffects:
    apart = np.diff(uplift, axis=1)
    return GroupEffects(
        effects=tuple(where_something_happened(column, level=level) for column in uplift.T),
        n_treated=n_treated,
        n_control=n_control,
        best_less_worst=from_replicates(uplift[:, 0] - uplift[:, -1], level=level),
        p_equal=float(chi2.sf(wald_statistic(apart), apart.shape[1]))
        if apart.shape[1]
        else math.nan,
    )
