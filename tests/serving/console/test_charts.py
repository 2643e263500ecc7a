"""Pictures as numbers: where a bar ends, where a curve runs, where its band is."""

import pytest

from serving.console.charts import HEIGHT, best_point, bounds, budget_plot, nearest, profit, stacked
from serving.console.night import BudgetPoint, Estimate


def point(budget: float, expected: float, reach: float | None = None) -> BudgetPoint:
    known = None
    if reach is not None:
        known = Estimate(estimate=expected - 1.0, low=expected - reach, high=expected + reach)
    return BudgetPoint(
        budget_eur=budget, offers=1, expected_profit_eur=expected, calibrated_profit_eur=known
    )


def test_parts_of_a_bar_follow_each_other_without_a_gap() -> None:
    parts = stacked([("a", 0.2), ("b", 0.0), ("c", 0.8)])
    assert [(part.start, part.length) for part in parts] == [(0, 20), (20, 0), (20, 80)]


def test_a_curve_spans_its_box_and_the_zero_line_stands_where_zero_is() -> None:
    plot = budget_plot([point(0, 0), point(50, 30), point(100, -10)])
    assert plot is not None
    points = [tuple(map(float, pair.split(","))) for pair in plot.line.split()]
    assert points == [(0, pytest.approx(37.5)), (50, 0), (100, HEIGHT)]
    assert (plot.zero, plot.low, plot.high, plot.most_x) == (37.5, -10, 30, 100)
    assert plot.band == ""


def test_a_band_goes_there_along_the_upper_bounds_and_back_along_the_lower() -> None:
    plot = budget_plot([point(0, 0, 0), point(100, 30, 10)])
    assert plot is not None
    ys = [float(pair.split(",")[1]) for pair in plot.band.split()]
    assert ys == [HEIGHT, 0, pytest.approx(25), HEIGHT]


@pytest.mark.parametrize(
    "points", [[], [point(0, 0)], [point(0, 0), point(0, 1)], [point(0, 0), point(9, 0)]]
)
def test_what_has_no_extent_is_not_drawn(points: list[BudgetPoint]) -> None:
    assert budget_plot(points) is None


def test_the_profit_shown_is_the_one_that_held_out_customers_bear_out() -> None:
    assert (profit(point(1, 5)), profit(point(1, 5, 2))) == (5, 4)
    assert (bounds(point(1, 5)), bounds(point(1, 5, 2))) == ((5, 5), (3, 7))


def test_money_stops_paying_where_the_profit_is_greatest() -> None:
    best = best_point([point(0, 0), point(50, 30), point(100, 20)])
    assert best is not None
    assert best.budget_eur == 50
    assert best_point([]) is None


def test_the_slider_begins_at_tonights_budget() -> None:
    points = [point(0, 0), point(50, 30), point(100, 20)]
    assert [nearest(points, budget) for budget in (0, 26, 24, 1e9, None)] == [0, 1, 0, 2, 2]
    assert nearest([], None) == nearest([], 5.0) == 0
