"""Pictures of an evaluation, made without pyplot: ``Figure`` objects, and SVG text for pages.

No global state is touched; save a figure with ``figure.savefig(path)``. Colours are Okabe and
Ito's, which colour-blind readers tell apart; shapes differ too.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from uplift.arms import Arms
from uplift.evaluation.calibration import Calibration
from uplift.evaluation.curves import qini_curve, tops, uplift_curve
from uplift.evaluation.metrics import uplift_by_bin
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.resampling import Floats
from uplift.evaluation.spread import Spread
from uplift.evaluation.uncertainty import Estimate, from_replicates
from uplift.pages.svg import COLOURS, INK, draw_svg, short

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
        low, high = _band(heights, level)
        axes.fill_between(
            shares,
            low,
            high,
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


def added_svg(
    by_uplift: RankedSums, by_response: RankedSums | None, treatment: int, *, level: float
) -> str:
    """Outcomes added per 1,000 customers over the share that is reached, best first, with a band.

    Args:
        by_uplift: Ranked by the effect expected of this treatment.
        by_response: The same rows ranked by who buys, if there is such a model.
        treatment: Compared with control.
        level: Of the band.
    """
    shares = np.linspace(0.0, 1.0, _POINTS)

    def draw(axes: Axes) -> None:
        heights = _added_at(by_uplift, treatment, shares)
        low, high = _band(heights, level)
        axes.fill_between(shares, low, high, color=COLOURS[0], alpha=0.2, linewidth=0)
        axes.plot(shares, heights[0], color=COLOURS[0], linewidth=2, label="by effect")
        if by_response is not None:
            rival = _added_at(by_response, treatment, shares)[0]
            axes.plot(shares, rival, color=COLOURS[1], linestyle="-.", label="by who buys")
        ends = [0, heights[0, -1]]
        axes.plot([0, 1], ends, color=INK, linestyle="--", linewidth=1, label="blindly")
        axes.axhline(0.0, color=INK, linewidth=0.6)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
        axes.set_xlabel("share of customers reached, best first")
        axes.set_ylabel("added per 1,000 customers")

    return draw_svg(f"added {treatment}", draw, height=3.2, grid="y")


def calibration_svg(calibration: Calibration, *, name: str) -> str:
    """Measured over predicted effects of each bin, with intervals; on the line they agree.

    Args:
        calibration: Of one treatment.
        name: Of the treatment, which names the picture.
    """

    def draw(axes: Axes) -> None:
        known = [b for b in calibration.bins if np.isfinite(b.predicted)]
        predicted = [100.0 * one.predicted for one in known]
        ends = [min(predicted), max(predicted)]
        axes.plot(ends, ends, color=INK, linestyle="--", linewidth=1, label="as predicted")
        for one, x in zip(known, predicted, strict=True):
            low, high = 100.0 * one.measured.low, 100.0 * one.measured.high
            axes.vlines(x, low, high, color=COLOURS[0], linewidth=1.5)
        measured = [100.0 * one.measured.estimate for one in known]
        axes.plot(predicted, measured, "o", color=COLOURS[0], markersize=5, label="measured")
        axes.axhline(0.0, color=INK, linewidth=0.6)
        axes.set_xlabel("predicted effect, percentage points")
        axes.set_ylabel("measured effect")

    return draw_svg(f"calibration {name}", draw, height=3.0, grid="y")


def groups_svg(effects: Sequence[Estimate], average: float, *, name: str) -> str:
    """Measured effect in groups of customers, best predictions first.

    Args:
        effects: By group.
        average: Effect over all of them, for the line.
        name: Of the treatment, which names the picture.
    """

    def draw(axes: Axes) -> None:
        places = np.arange(1, len(effects) + 1)
        for place, effect in zip(places, effects, strict=True):
            axes.vlines(place, 100 * effect.low, 100 * effect.high, color=COLOURS[0], linewidth=2)
        heights = [100 * effect.estimate for effect in effects]
        axes.plot(places, heights, "o", color=COLOURS[0], label="measured")
        axes.axhline(100 * average, color=INK, linestyle="--", linewidth=1, label="average")
        axes.axhline(0.0, color=INK, linewidth=0.6)
        axes.set_xticks(places)
        axes.set_xlabel(f"group of customers, 1 of {len(effects)} is the best")
        axes.set_ylabel("effect, percentage points")

    return draw_svg(f"groups {name}", draw, height=2.6, grid="y")


def spread_svg(effects: Spread, outcomes: Mapping[str, Spread], *, name: str) -> str:
    """Distribution of predicted effects beside that of the outcomes expected in each arm.

    Args:
        effects: Of the treatment.
        outcomes: Expected in control and in the treatment, by arm.
        name: Of the treatment, which names the picture.
    """

    def draw(axes: Axes) -> None:
        shown = {"effect": effects, **{short(arm): spread for arm, spread in outcomes.items()}}
        for number, (label, spread) in enumerate(shown.items()):
            middles = 100.0 * (spread.edges[1:] + spread.edges[:-1]) / 2.0
            heights = spread.density / max(float(spread.density.max()), 1e-12)
            style = ("-", "--", "-.")[number % 3]
            axes.plot(middles, heights, color=COLOURS[number], linestyle=style, label=label)
            if number == 0:
                axes.fill_between(middles, 0.0, heights, color=COLOURS[0], alpha=0.2, linewidth=0)
        axes.axvline(0.0, color=INK, linewidth=0.6)
        axes.set_ylim(0.0, None)
        axes.set_yticks([])
        axes.set_xlabel("predicted, percentage points")
        axes.set_ylabel("customers")

    return draw_svg(f"spread {name}", draw, height=2.6)


def leads_svg(leads: Mapping[str, Estimate], level: float) -> str:
    """Euro per 1,000 customers that the challenger's policy earns more than each rival.

    Args:
        leads: By rival, euro per customer.
        level: Of the intervals, for the label.
    """

    def draw(axes: Axes) -> None:
        axes.axvline(0.0, color=INK, linewidth=0.8)
        for y, lead in enumerate(reversed(list(leads.values()))):
            axes.hlines(y, 1000 * lead.low, 1000 * lead.high, color=COLOURS[0], linewidth=2)
            axes.plot([1000 * lead.estimate], [y], "o", color=COLOURS[0])
        axes.set_yticks(range(len(leads)), [short(name) for name in reversed(list(leads))])
        axes.set_ylim(-0.6, len(leads) - 0.4)
        axes.set_xlabel(f"euro more per 1,000 customers, {level:.0%} interval")

    return draw_svg("leads", draw, height=0.9 + 0.3 * len(leads), legend=False)


def _added_at(sums: RankedSums, treatment: int, shares: Floats) -> Floats:
    """Outcomes added per 1,000 customers, shape (R + 1, points)."""
    curve = uplift_curve(tops(sums, treatment))
    rows = zip(curve.at, curve.height, strict=True)
    return np.stack([1000.0 * np.interp(shares * at[-1], at, y) / at[-1] for at, y in rows])


def _band(heights: Floats, level: float) -> tuple[list[float], list[float]]:
    points = [from_replicates(column, level=level) for column in heights.T]
    return [point.low for point in points], [point.high for point in points]
