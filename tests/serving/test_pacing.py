from datetime import UTC, datetime, timedelta

import pytest

from serving.pacing import Pace, scope_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PACE = Pace(1_000_000, gain=1.0, least=0.8, most=3.0)


@pytest.mark.parametrize(
    ("spent", "factor"),
    [(500_000, 1.0), (1_010_000, 2.0), (10**9, 3.0), (0, 0.8), (449_000, 0.9)],
)
def test_the_price_follows_the_spend_within_bounds(spent: int, factor: float) -> None:
    assert PACE.factor(spent, NOON) == pytest.approx(factor)


def test_the_first_minutes_do_not_swing_the_price() -> None:
    early = NOON.replace(hour=0, second=30)

    assert PACE.factor(5_000, early) < 1.6
    assert PACE.factor(0, early) > 0.9


def test_gain_says_how_hard_it_steers() -> None:
    soft = Pace(1_000_000, gain=0.5, least=0.1, most=10.0)

    assert soft.factor(4 * 510_000 - 10_000, NOON) == pytest.approx(2.0)


def test_a_day_is_one_of_utc() -> None:
    east = NOON.astimezone(tz=None) - timedelta(hours=13)

    assert scope_of("coupon", "day", NOON) == "coupon:2026-06-01"
    assert scope_of("coupon", "day", east) == "coupon:2026-05-31"
    assert scope_of("coupon", "campaign", NOON) == "coupon"


def test_paced_spend_lasts_until_the_evening() -> None:
    """Demand is twice what the budget allows, and falls with the square of the price."""
    spent, minute = 0.0, timedelta(minutes=1)
    now = NOON.replace(hour=0)
    pace = Pace(1_000_000, gain=1.0, least=1.0, most=3.0)
    halfway = 0.0
    for step in range(1440):
        demand = 2_000_000 / 1440
        spent += demand / pace.factor(round(spent), now) ** 2
        now += minute
        halfway = spent if step == 719 else halfway

    assert halfway == pytest.approx(500_000 * 2**0.5, rel=0.15)
    assert spent < 2_000_000 * 0.75
