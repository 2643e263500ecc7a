"""Did every unit have a fair chance of every arm, and no other experiment in the way?"""

from dataclasses import dataclass

import numpy as np

from uplift.arms import Arms
from uplift.config import ExperimentChecks
from uplift.experiment.checks.base import (
    Check,
    grade,
    of_experiments,
    p_value_between_arms,
    shares_in_words,
)
from uplift.experiment.counts import Counts, Vector

PROPENSITY_BINS = 20  # of equal width from 0 to 1


@dataclass(frozen=True)
class PropensitySums:
    """Chances of the arm drawn, added up per arm; a missing one is the planned share.

    Attributes:
        n: Units, shape (K+1,).
        weight: Sums of 1/propensity, shape (K+1,).
        squared_weight: Sums of 1/propensity squared, shape (K+1,).
        in_bin: Units per bin of the propensity, shape (K+1, PROPENSITY_BINS); a bin holds its
            lower edge, the last one both.
    """

    n: Counts
    weight: Vector
    squared_weight: Vector
    in_bin: Counts

    @property
    def effective_share(self) -> Vector:
        """Kish's effective sample size over n, shape (K+1,): 1 where all chances are equal."""
        return self.weight**2 / (self.n * self.squared_weight)


@dataclass(frozen=True)
class Contamination:
    """Units of this experiment that were in another one at about the same time.

    Attributes:
        n: Units per arm, shape (K+1,).
        n_elsewhere: Of these, assigned in another experiment less than an outcome window before or
            after, shape (K+1,).
    """

    n: Counts
    n_elsewhere: Counts


def effective_sample_size(arms: Arms, sums: PropensitySums, limits: ExperimentChecks) -> Check:
    """The arm that loses most of its units to uneven weights."""
    share = sums.effective_share
    k = int(np.argmin(share))
    return Check(
        "effective_sample_size",
        grade(
            bool(share[k] < limits.effective_share_warn),
            bool(share[k] < limits.effective_share_fail),
        ),
        float(share[k]),
        limits.effective_share_warn,
        f"weighted by 1/propensity, the {sums.n[k]:,} units of arm {arms.names[k]!r} are worth "
        f"{sums.n[k] * share[k]:,.0f} with equal chances; no arm keeps less",
    )


def contamination(found: Contamination, limits: ExperimentChecks) -> Check:
    """Overlap dilutes effects; overlap that differs between arms is an effect of its own."""
    share = found.n_elsewhere / found.n
    overall = float(found.n_elsewhere.sum() / found.n.sum())
    p_value = p_value_between_arms(found.n_elsewhere, found.n)
    differs = p_value < limits.arms_differ_p_value_warn
    refused = p_value < limits.arms_differ_p_value_fail
    refused &= bool(np.ptp(share) > limits.arms_differ_share_fail)
    return Check(
        "contamination",
        grade(differs or overall > limits.contamination_warn, refused),
        overall,
        limits.contamination_warn,
        f"{found.n_elsewhere.sum():,} of {found.n.sum():,} units were in another experiment within "
        f"an outcome window of their assignment ({shares_in_words(found.n_elsewhere, found.n)} by "
        f"arm; chance makes arms differ so in {of_experiments(p_value)})",
    )
