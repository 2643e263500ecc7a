"""Is the holdout still a random sample? Only then does it measure the policy."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class GroupSums:
    """Of the chance to convert without coupon in one group: rows, sum and sum of squares."""

    n: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        """Mean; NaN of nobody."""
        return self.total / self.n if self.n else math.nan

    @property
    def variance_of_mean(self) -> float:
        """Squared standard error of the mean; NaN below two rows."""
        if self.n < 2:
            return math.nan
        variance = (self.squares - self.total**2 / self.n) / (self.n - 1)
        return max(variance, 0.0) / self.n


@dataclass(frozen=True)
class Conversions:
    """Customers of a group, and how many of them converted."""

    n: int
    converted: int

    @property
    def rate(self) -> float:
        """Share that converted; NaN of nobody."""
        return self.converted / self.n if self.n else math.nan

    @property
    def variance_of_rate(self) -> float:
        """Squared standard error of the rate; NaN below two customers."""
        return self.rate * (1.0 - self.rate) / (self.n - 1) if self.n > 1 else math.nan


@dataclass(frozen=True)
class PolicyEffect:
    """What targeting changed, measured against customers who are never targeted.

    The effect of having been in the policy's hands during the window, all its nights together. It
    is valid while the salt and the share of the holdout stay: who is held out tonight was then
    held out all along. Sums over customers who may be contacted.

    Attributes:
        holdout: The holdout's conversions in the window.
        others: Those of all others.
        window_days: Length of the window, which ends with tonight's features.
    """

    holdout: Conversions
    others: Conversions
    window_days: int

    @property
    def estimate(self) -> float:
        """Conversions per customer that targeting added; NaN where a group is empty."""
        return self.others.rate - self.holdout.rate

    @property
    def standard_error(self) -> float:
        """Of the estimate, by the two binomial variances; NaN where a group is too small."""
        return math.sqrt(self.holdout.variance_of_rate + self.others.variance_of_rate)


def holdout_p_value(holdout: GroupSums, others: GroupSums) -> float:
    """How often a random holdout differs from the others at least this much in its mean score.

    Welch's statistic against a normal distribution, two-sided: right for hundreds of rows. 1 where
    a group is too small to tell, or where neither varies.
    """
    spread = holdout.variance_of_mean + others.variance_of_mean
    if not spread > 0.0:  # NaN too
        return 1.0
    z = abs(holdout.mean - others.mean) / math.sqrt(spread)
    return math.erfc(z / math.sqrt(2.0))
