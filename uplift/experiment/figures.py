"""Pictures of an experiment, as SVG text to stand inside a page."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from uplift.arms import CONTROL, Arms
from uplift.experiment.checks.exposure import PROPENSITY_BINS, PropensitySums
from uplift.experiment.checks.outcomes import ArmEffect
from uplift.experiment.observational import ObservationalReport
from uplift.experiment.overlap import EDGES
from uplift.experiment.report import Balance
from uplift.pages.svg import COLOURS, INK, draw_svg, points, short

MOST_FEATURES = 20  # in the plot; the differences of all of them are in the document


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
        axes.axvspan(-warn, warn, color=INK, alpha=0.08, linewidth=0)
        axes.axvline(0.0, color=INK, linewidth=0.8)
        for k, arm in enumerate(arms.treatments):
            shown = [part for part in balance if part.arm == arm and part.feature in place]
            x = np.clip([part.difference for part in shown], -edge, edge)
            points(axes, x.tolist(), [place[part.feature] for part in shown], k, arm)
        axes.set_yticks(list(place.values()), [short(name) for name in place])
        axes.set_xlim(-edge, edge)
        axes.set_xlabel("distance from control in standard deviations")

    return draw_svg("balance", draw, height=1.3 + 0.2 * len(names))


def effects_svg(effects: Sequence[ArmEffect]) -> str:
    """Effects of the treatments on one outcome with their 95 % intervals."""

    def draw(axes: Axes) -> None:
        axes.axvline(0.0, color=INK, linewidth=0.8)
        for k, effect in enumerate(effects):
            y = len(effects) - 1 - k
            colour = COLOURS[k % len(COLOURS)]
            axes.hlines(y, effect.low, effect.high, color=colour, linewidth=2)
            points(axes, [effect.difference], [y], k, effect.arm)
        places = range(len(effects) - 1, -1, -1)
        axes.set_yticks(list(places), [short(effect.arm) for effect in effects])
        axes.set_ylim(-0.6, len(effects) - 0.4)
        axes.set_xlabel(f"effect on {short(effects[0].outcome)} per unit")

    return draw_svg(
        f"effects {effects[0].outcome}", draw, height=0.9 + 0.3 * len(effects), legend=False
    )


def propensities_svg(arms: Arms, sums: PropensitySums) -> str:
    """Share of each arm's units by the logged chance of the arm that they drew."""

    def draw(axes: Axes) -> None:
        edges = np.linspace(0.0, 1.0, PROPENSITY_BINS + 1)
        for k, arm in enumerate(arms.names):
            share = sums.in_bin[k] / sums.n[k]
            colour = INK if k == 0 else COLOURS[(k - 1) % len(COLOURS)]
            style = ("-", "--", "-.", ":")[k % 4]
            axes.stairs(
                share, edges, color=colour, linestyle=style, linewidth=1.8, label=short(arm)
            )
        axes.set_xlim(0.0, 1.0)
        axes.set_ylim(0.0, None)
        axes.set_xlabel("chance of the arm drawn")
        axes.set_ylabel("share of the arm's units")

    return draw_svg("propensities", draw, height=2.6)


def overlap_svg(study: ObservationalReport, *, k: int) -> str:
    """Chance of treatment ``k`` among those who got it and in control: where do they meet?"""

    def draw(axes: Axes) -> None:
        for arm, colour, style in (
            (CONTROL, INK, "-"),
            (k, COLOURS[(k - 1) % len(COLOURS)], "--"),
        ):
            counts = study.overlap.histogram[arm, k]
            share = counts / max(int(counts.sum()), 1)
            label = short(study.arms.names[arm])
            axes.stairs(share, EDGES, color=colour, linestyle=style, linewidth=1.8, label=label)
        axes.axvspan(0.0, study.floor, color=INK, alpha=0.08, linewidth=0)
        axes.set_xlim(0.0, 1.0)
        axes.set_ylim(0.0, None)
        axes.set_xlabel(f"estimated chance of {short(study.arms.names[k])}")
        axes.set_ylabel("share of the arm's units")

    return draw_svg(f"overlap {k}", draw, height=2.6)


def adjusted_balance_svg(study: ObservationalReport, *, warn: float) -> str:
    """Love plot of each covariate's worst arm, before and after weighting."""
    worst: dict[str, tuple[float, float]] = {}
    for row in study.balance:
        before, after = worst.get(row.covariate, (0.0, 0.0))
        worst[row.covariate] = (max(before, abs(row.before)), max(after, abs(row.after)))
    names = sorted(worst, key=lambda name: -max(worst[name]))[:MOST_FEATURES][::-1]

    def draw(axes: Axes) -> None:
        axes.axvspan(0.0, warn, color=INK, alpha=0.08, linewidth=0)
        places = list(range(len(names)))
        points(axes, [worst[name][0] for name in names], places, 1, "as they came")
        points(axes, [worst[name][1] for name in names], places, 0, "weighted")
        axes.set_yticks(places, [short(name) for name in names])
        axes.set_xlim(0.0, None)
        axes.set_xlabel("distance from control in standard deviations")

    return draw_svg("adjusted balance", draw, height=1.3 + 0.2 * len(names))
