"""Small pictures as shapes for a template: positions and lengths in per cent, nothing drawn here.

They are drawn as SVG in the page itself, with a title and a table beside them, so that nobody
depends on seeing them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from serving.console.night import BudgetPoint

HEIGHT = 50.0  # of a curve, whose width is 100


@dataclass(frozen=True)
class Part:
    """A stretch of a bar: where it begins and how long it is, in per cent of the whole."""

    name: str
    start: float
    length: float


def stacked(shares: Sequence[tuple[str, float]]) -> list[Part]:
    """Shares that add up to 1, one after another.

    Examples:
        >>> stacked([("a", 0.25), ("b", 0.75)])
        [Part(name='a', start=0.0, length=25.0), Part(name='b', start=25.0, length=75.0)]
    """
    parts, start = [], 0.0
    for name, share in shares:
        parts.append(Part(name, start, 100.0 * share))
        start += 100.0 * share
    return parts


@dataclass(frozen=True)
class Plot:
    """A curve with its band in a box of 100 by 50, y downwards, and what stands at its edges.

    Attributes:
        line: Points of an SVG polyline.
        band: Points of an SVG polygon; empty where no interval is known.
        zero: Height of zero.
        most_x: Largest budget, euro.
        low: Least value shown, euro.
        high: Largest value shown, euro.
    """

    line: str
    band: str
    zero: float
    most_x: float
    low: float
    high: float


def budget_plot(points: Sequence[BudgetPoint]) -> Plot | None:
    """Expected profit by budget; the calibrated one with its interval where it is known."""
    if len(points) < 2:
        return None
    lows, highs = zip(*(bounds(point) for point in points), strict=True)
    low, high = min(0.0, *lows), max(0.0, *highs)
    most = points[-1].budget_eur
    if most <= 0.0 or high <= low:
        return None

    def at(x: float, y: float) -> str:
        return f"{100.0 * x / most:.3f},{HEIGHT * (high - y) / (high - low):.3f}"

    line = " ".join(at(point.budget_eur, profit(point)) for point in points)
    upper = [at(point.budget_eur, top) for point, top in zip(points, highs, strict=True)]
    lower = [at(point.budget_eur, bottom) for point, bottom in zip(points, lows, strict=True)]
    has_band = any(top > bottom for top, bottom in zip(highs, lows, strict=True))
    band = " ".join([*upper, *reversed(lower)]) if has_band else ""
    return Plot(line, band, HEIGHT * high / (high - low), most, low, high)


def profit(point: BudgetPoint) -> float:
    """The profit to show: as held-out customers bear it out, where that is known."""
    if point.calibrated_profit_eur is not None:
        return point.calibrated_profit_eur.estimate
    return point.expected_profit_eur


def bounds(point: BudgetPoint) -> tuple[float, float]:
    """Its interval; the profit twice where none is known."""
    found = point.calibrated_profit_eur
    if found is None or found.low is None or found.high is None:
        return profit(point), profit(point)
    return found.low, found.high


def best_point(points: Sequence[BudgetPoint]) -> BudgetPoint | None:
    """The budget after which more money stops paying."""
    return max(points, key=profit, default=None)


def nearest(points: Sequence[BudgetPoint], budget_eur: float | None) -> int:
    """Place of the point that is nearest to a budget; None: to an unlimited one, the last."""
    if budget_eur is None or not points:
        return max(0, len(points) - 1)
    return min(range(len(points)), key=lambda i: abs(points[i].budget_eur - budget_eur))
