"""Pictures of an experiment as SVG text to stand inside a page, made without pyplot.

The same report gives the same bytes. Ink is ``currentColor``, so the page decides between light
and dark; arms differ in shape as well as in colour (Okabe and Ito's). Text stays text.
"""

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from uplift.arms import CONTROL, Arms
from uplift.experiment.checks.exposure import PROPENSITY_BINS, PropensitySums
from uplift.experiment.checks.outcomes import ArmEffect
from uplift.experiment.observational import ObservationalReport
from uplift.experiment.overlap import EDGES
from uplift.experiment.report import Balance

MOST_FEATURES = 20  # in the plot; the differences of all of them are in the document

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

_INK = "#010203"  # becomes currentColor
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = "osD^vP"
_WIDTH = 5.0  # inches: as wide as a phone shows without shrinking the text
_LONGEST_NAME = 28
_STYLE: "dict[RcKeyType, str | float | bool]" = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name may hold dollars
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def balance_svg(arms: Arms, balance: Sequence[Balance], *, warn: float) -> str:
    """Love plot: the features that differ most, and where doubt begins.

    Args:
        arms: Of the campaign.
        balance: Of every feature and treatment.
        warn: Standardised mean difference at which doubt begins.
    """
    largest: dict[str, float] = {}
    for part in balance:
        largest[part.feature] = max(largest.get(part.feature, 0.0), abs(part.difference))
    names = sorted(largest, key=lambda name: -largest[name])[:MOST_FEATURES]
    place = {name: y for y, name in enumerate(reversed(names))}
    edge = 1.25 * max(warn, *[min(largest[name], 1.0) for name in names])

    def draw(axes: Axes) -> None:
        axes.axvspan(-warn, warn, color=_INK, alpha=0.08, linewidth=0)
        axes.axvline(0.0, color=_INK, linewidth=0.8)
        for k, arm in enumerate(arms.treatments):
            shown = [part for part in balance if part.arm == arm and part.feature in place]
            x = np.clip([part.difference for part in shown], -edge, edge)
            _points(axes, x.tolist(), [place[part.feature] for part in shown], k, arm)
        axes.set_yticks(list(place.values()), [_short(name) for name in place])
        axes.set_xlim(-edge, edge)
        axes.set_xlabel("distance from control in standard deviations")

    return _svg("balance", draw, height=1.3 + 0.2 * len(names))


def effects_svg(effects: Sequence[ArmEffect]) -> str:
    """Effects of the treatments on one outcome with their 95 % intervals."""

    def draw(axes: Axes) -> None:
        axes.axvline(0.0, color=_INK, linewidth=0.8)
        for k, effect in enumerate(effects):
            y = len(effects) - 1 - k
            colour = _COLOURS[k % len(_COLOURS)]
            axes.hlines(y, effect.low, effect.high, color=colour, linewidth=2)
            _points(axes, [effect.difference], [y], k, effect.arm)
        places = range(len(effects) - 1, -1, -1)
        axes.set_yticks(list(places), [_short(effect.arm) for effect in effects])
        axes.set_ylim(-0.6, len(effects) - 0.4)
        axes.set_xlabel(f"effect on {_short(effects[0].outcome)} per unit")

    return _svg(
        f"effects {effects[0].outcome}", draw, height=0.9 + 0.3 * len(effects), legend=False
    )


def propensities_svg(arms: Arms, sums: PropensitySums) -> str:
    """Share of each arm's units by the logged chance of the arm that they drew."""

    def draw(axes: Axes) -> None:
        edges = np.linspace(0.0, 1.0, PROPENSITY_BINS + 1)
        for k, arm in enumerate(arms.names):
            share = sums.in_bin[k] / sums.n[k]
            colour = _INK if k == 0 else _COLOURS[(k - 1) % len(_COLOURS)]
            style = ("-", "--", "-.", ":")[k % 4]
            axes.stairs(
                share, edges, color=colour, linestyle=style, linewidth=1.8, label=_short(arm)
            )
        axes.set_xlim(0.0, 1.0)
        axes.set_ylim(0.0, None)
        axes.set_xlabel("chance of the arm drawn")
        axes.set_ylabel("share of the arm's units")

    return _svg("propensities", draw, height=2.6)


def overlap_svg(study: ObservationalReport, *, k: int) -> str:
    """Chance of treatment ``k`` among those who got it and in control: where do they meet?"""

    def draw(axes: Axes) -> None:
        for arm, colour, style in (
            (CONTROL, _INK, "-"),
            (k, _COLOURS[(k - 1) % len(_COLOURS)], "--"),
        ):
            counts = study.overlap.histogram[arm, k]
            share = counts / max(int(counts.sum()), 1)
            label = _short(study.arms.names[arm])
            axes.stairs(share, EDGES, color=colour, linestyle=style, linewidth=1.8, label=label)
        axes.axvspan(0.0, study.floor, color=_INK, alpha=0.08, linewidth=0)
        axes.set_xlim(0.0, 1.0)
        axes.set_ylim(0.0, None)
        axes.set_xlabel(f"estimated chance of {_short(study.arms.names[k])}")
        axes.set_ylabel("share of the arm's units")

    return _svg(f"overlap {k}", draw, height=2.6)


def adjusted_balance_svg(study: ObservationalReport, *, warn: float) -> str:
    """Love plot of each covariate's worst arm, before and after weighting."""
    worst: dict[str, tuple[float, float]] = {}
    for row in study.balance:
        before, after = worst.get(row.covariate, (0.0, 0.0))
        worst[row.covariate] = (max(before, abs(row.before)), max(after, abs(row.after)))
    names = sorted(worst, key=lambda name: -max(worst[name]))[:MOST_FEATURES][::-1]

    def draw(axes: Axes) -> None:
        axes.axvspan(0.0, warn, color=_INK, alpha=0.08, linewidth=0)
        places = list(range(len(names)))
        _points(axes, [worst[name][0] for name in names], places, 1, "as they came")
        _points(axes, [worst[name][1] for name in names], places, 0, "weighted")
        axes.set_yticks(places, [_short(name) for name in names])
        axes.set_xlim(0.0, None)
        axes.set_xlabel("distance from control in standard deviations")

    return _svg("adjusted balance", draw, height=1.3 + 0.2 * len(names))


def _points(axes: Axes, x: list[float], y: list[int], k: int, arm: str) -> None:
    """Of treatment k + 1, in its colour and its shape."""
    axes.plot(
        x,
        y,
        linestyle="",
        marker=_MARKERS[k % len(_MARKERS)],
        markersize=5.5,
        color=_COLOURS[k % len(_COLOURS)],
        label=_short(arm),
    )


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _svg(name: str, draw: Callable[[Axes], None], *, height: float, legend: bool = True) -> str:
    with rc_context():
        rcdefaults()  # some libraries change the global style when they are imported
        rcParams.update({**_STYLE, "svg.hashsalt": name})
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        axes.patch.set_visible(False)
        draw(axes)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color=_INK, alpha=0.12, linewidth=0.6)
        axes.set_axisbelow(True)
        if legend:
            figure.legend(loc="outside upper left", ncols=3, frameon=False)
        text = io.StringIO()
        figure.savefig(
            text,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    return _inline(text.getvalue())


def _inline(svg: str) -> str:
    """Without prologue and addresses of namespaces, which a page does not need."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' xmlns(:\w+)?="[^"]*"', "", body)
    for number, colour in enumerate(_COLOURS, 1):  # the page may have brighter ones for the dark
        body = body.replace(colour.lower(), f"var(--arm-{number}, {colour.lower()})")
    return body.replace(_INK, "currentColor")
