"""Figures show the numbers of the report, and leave matplotlib as they found it."""

import io
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from uplift.arms import Arms
from uplift.evaluation import metrics
from uplift.evaluation.budget_figure import what_if_figure
from uplift.evaluation.figures import qini_figure, uplift_by_bin_figure
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums

ARMS = Arms(("none", "coupon_5", "coupon_10"))


@pytest.fixture(scope="module")
def rankings() -> list[RankedSums]:
    rng = np.random.default_rng(6)
    x, arm = rng.uniform(size=600), rng.integers(0, 3, 600)
    outcome = (rng.uniform(size=600) < 0.2 + 0.2 * x * arm).astype(float)
    return [ranked_sums(x, arm, outcome, n_arms=3, replicates=30, max_blocks=50)] * 2


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def test_a_qini_curve_per_treatment_ends_at_the_average_effect(rankings: list[RankedSums]) -> None:
    figure = qini_figure(ARMS, rankings, outcome="conversion", level=0.9)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["coupon_5 against none", "coupon_10 against none"]
    for treatment, axes in enumerate(figure.axes, 1):
        curve, chord = axes.lines[:2]
        ate = metrics.ate(rankings[0], treatment)[0]
        assert curve.get_ydata()[-1] == chord.get_ydata()[-1] == pytest.approx(ate)
        assert len(axes.collections) == 1


def test_bins_show_measured_and_predicted_effects(rankings: list[RankedSums]) -> None:
    figure = uplift_by_bin_figure(ARMS, rankings, outcome="conversion", level=0.9, bins=5)
    expected = metrics.uplift_by_bin(rankings[1], 2, bins=5)
    measured, predicted = figure.axes[1].lines[:2]
    assert measured.get_ydata().tolist() == expected.uplift[0].tolist()
    assert predicted.get_ydata().tolist() == expected.predicted.tolist()
    assert "conversion" in figure.axes[0].get_ylabel()
    assert len(figure.axes[0].get_legend().get_texts()) == 3


def test_the_same_sums_make_the_same_bytes_and_pyplot_stays_out(
    rankings: list[RankedSums],
) -> None:
    settings = dict(matplotlib.rcParams)
    first = png(qini_figure(ARMS, rankings, outcome="conversion", level=0.9))
    assert png(qini_figure(ARMS, rankings, outcome="conversion", level=0.9)) == first
    assert dict(matplotlib.rcParams) == settings
    module = sys.modules["uplift.evaluation.figures"]
    assert "pyplot" not in vars(module)


def test_the_what_if_curve_shows_both_expectations_and_tonights_budget():
    def point(budget, calibrated):
        return {
            "budget_eur": budget,
            "expected_profit_eur": 2.0 * budget,
            "calibrated_profit_eur": calibrated,
        }

    known = {"estimate": 5.0, "low": 1.0, "high": 9.0}
    curve = [point(0.0, known), point(10.0, {**known, "low": None}), point(20.0, known)]
    (axes,) = what_if_figure(curve, budget_eur=7.0).axes
    expected, held_out, tonight = axes.lines[:3]
    assert list(expected.get_ydata()) == [0.0, 20.0, 40.0]
    assert list(held_out.get_xdata()) == [0.0, 20.0]
    assert list(tonight.get_xdata()) == [7.0, 7.0]
    (axes,) = what_if_figure([point(0.0, None)], budget_eur=None).axes
    assert len(axes.get_legend().get_texts()) == 1
