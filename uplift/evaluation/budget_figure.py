"""The picture of a budget: what more money, or less, should bring."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Curve: TypeAlias = Sequence[Mapping[str, object]]
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#595959"


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
