"""Pictures of an evaluation: ``matplotlib.figure.Figure`` objects, made without pyplot.

No global state is touched; save one with ``figure.savefig(path)``. Colours are Okabe and Ito's,
which colour-blind readers tell apart; shapes differ too.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from uplift.arms import Arms
from uplift.evaluation.curves import qini_curve, tops
from uplift.evaluation.metrics import uplift_by_bin
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.resampling import Floats
from uplift.evaluation.uncertainty import from_replicates

Curve: TypeAlias = Sequence[Mapping[str, object]]
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#595959"
_POINTS = 101


def qini_figure(
    arms: Arms, rankings: Sequence[RankedSums], *, outcome: str, level: float
) -> Figure:
    """Radcliffe's Qini curve of each treatment, with a pointwise band from the replicates.

    Heights are divided by the number of treated rows, so the curve ends at the average effect.

    Args:
        arms: Of the campaign.
        rankings: Of treatments 1..K, as for ``report.evaluate``.
        outcome: Name of the outcome, for the labels.
        level: Of the band, such as 0.95.
    """

    def draw(axes: Axes, sums: RankedSums, treatment: int) -> None:
        shares = np.linspace(0.0, 1.0, _POINTS)
        heights = _qini_at(sums, treatment, shares)
        band = [from_replicates(column, level=level) for column in heights.T]
        axes.fill_between(
            shares,
            [point.low for point in band],
            [point.high for point in band],
            color=_BLUE,
            alpha=0.2,
            linewidth=0,
            label=f"{level:.0%} interval",
        )
        axes.plot(shares, heights[0], color=_BLUE, linewidth=2, label="by priority")
        axes.plot([0, 1], [0, heights[0, -1]], color=_GREY, linestyle="--", label="in random order")
        axes.axhline(0.0, color=_GREY, linewidth=0.6)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
        axes.set_xlabel("share of units, best priority first")

    return _panels(arms, rankings, draw, f"added {outcome} per treated unit (Qini curve)")


def uplift_by_bin_figure(
    arms: Arms, rankings: Sequence[RankedSums], *, outcome: str, level: float, bins: int = 10
) -> Figure:
    """Predicted beside measured effect in each bin of the ranking, one panel per treatment.

    Args:
        arms: Of the campaign.
        rankings: Of treatments 1..K, each ranked by its cate, or nothing was predicted.
        outcome: Name of the outcome, for the labels.
        level: Of the intervals, such as 0.95.
        bins: How many.
    """

    def draw(axes: Axes, sums: RankedSums, treatment: int) -> None:
        found = uplift_by_bin(sums, treatment, bins=bins)
        measured = [from_replicates(column, level=level) for column in found.uplift.T]
        number = np.arange(1, bins + 1)
        estimate = np.array([effect.estimate for effect in measured])
        axes.vlines(
            number,
            [effect.low for effect in measured],
            [effect.high for effect in measured],
            color=_BLUE,
            linewidth=1.5,
            label=f"{level:.0%} interval",
        )
        axes.plot(number, estimate, "o", color=_BLUE, label="measured")
        axes.plot(number, found.predicted, "D--", color=_ORANGE, markersize=5, label="predicted")
        axes.axhline(0.0, color=_GREY, linewidth=0.6)
        axes.set_xticks(number)
        axes.set_xlabel(f"bin of the ranking, 1 of {bins} is the best")

    return _panels(arms, rankings, draw, f"effect on {outcome}")


def what_if_figure(curve: Curve, *, budget_eur: float | None) -> Figure:
    """Budget against incremental profit: as expected, and with what held-out rows say to it.

    Args:
        curve: Points with ``budget_eur``, ``expected_profit_eur`` and ``calibrated_profit_eur``
            (``estimate``, ``low``, ``high``, or null), cheapest budget first.
        budget_eur: Of tonight, to be marked; None: no limit.
    """
    figure = Figure(figsize=(6.4, 4.2), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    budgets = [float(cast(float, point["budget_eur"])) for point in curve]
    expected = [float(cast(float, point["expected_profit_eur"])) for point in curve]
    axes.plot(budgets, expected, "D--", color=_ORANGE, markersize=4, label="as the model expects")
    known = [
        (budget, cast(Mapping[str, float | None], point["calibrated_profit_eur"]))
        for budget, point in zip(budgets, curve, strict=True)
        if point["calibrated_profit_eur"] is not None
    ]
    known = [(budget, one) for budget, one in known if one["low"] is not None]
    if known:
        at, estimates = [budget for budget, _ in known], [one for _, one in known]
        low, middle, high = (
            np.array([one[side] for one in estimates], dtype=np.float64)
            for side in ("low", "estimate", "high")
        )
        axes.fill_between(at, low, high, color=_BLUE, alpha=0.2, linewidth=0, label="interval")
        axes.plot(at, middle, color=_BLUE, linewidth=2, label="as held-out customers bear out")
    if budget_eur is not None:
        axes.axvline(budget_eur, color=_GREY, linestyle=":", label="budget of tonight")
    axes.axhline(0.0, color=_GREY, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("expected spend, euro")
    axes.set_ylabel("incremental profit, euro")
    axes.legend(frameon=False, fontsize=9)
    return figure


def _qini_at(sums: RankedSums, treatment: int, shares: Floats) -> Floats:
    """Heights per treated unit at shares of the rows, shape (R + 1, points)."""
    top = tops(sums, treatment)
    curve = qini_curve(top)
    return np.stack(
        [
            np.interp(shares * at[-1], at, height) / n_treated[-1]
            for at, height, n_treated in zip(curve.at, curve.height, top.n_treated, strict=True)
        ]
    )


def _panels(
    arms: Arms,
    rankings: Sequence[RankedSums],
    draw: Callable[[Axes, RankedSums, int], None],
    y_label: str,
) -> Figure:
    """One panel per treatment on a common scale, the legend in the first."""
    figure = Figure(figsize=(5.2 * len(rankings), 4.2), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(rankings), sharey=True, squeeze=False)[0]
    for treatment, (axes, sums) in enumerate(zip(panels, rankings, strict=True), 1):
        draw(axes, sums, treatment)
        axes.set_title(f"{arms.names[treatment]} against {arms.names[0]}", fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#E0E0E0", linewidth=0.6)
        axes.set_axisbelow(True)
    panels[0].set_ylabel(y_label)
    panels[0].legend(frameon=False, fontsize=9)
    return figure
