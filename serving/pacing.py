"""Spend a day's budget over the day: a dearer euro when too much went out, a cheaper one if not."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_SMOOTHING = 0.01  # of the day's budget: the first minutes must not swing the price
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pace:
    """How the price follows the spend.

    Attributes:
        budget_micros: Spend planned for the day, evenly over it.
        gain: Exponent on spend over plan.
        least: Least factor on 1 + shadow price.
        most: Greatest.
    """

    budget_micros: int
    gain: float
    least: float
    most: float

    def factor(self, spent_micros: int, now: datetime) -> float:
        """Factor on 1 + shadow price, a function of spend and time alone: replicas agree.

        Examples:
            >>> pace = Pace(1_000_000, gain=1.0, least=1.0, most=3.0)
            >>> noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
            >>> pace.factor(500_000, noon), pace.factor(1_010_000, noon)
            (1.0, 2.0)
        """
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        planned = self.budget_micros * ((now - midnight) / _DAY)
        smoothing = self.budget_micros * _SMOOTHING
        ratio: float = (spent_micros + smoothing) / (planned + smoothing)
        # two digits: replicas that look a moment apart mostly see the same price
        return round(float(min(self.most, max(self.least, ratio**self.gain))), 2)


def scope_of(campaign_id: str, period: str, now: datetime) -> str:
    """What is counted together: ``coupon:2026-06-01``, or the whole campaign."""
    return f"{campaign_id}:{now.astimezone(UTC):%Y-%m-%d}" if period == "day" else campaign_id
