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
