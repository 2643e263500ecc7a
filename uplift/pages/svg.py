"""Pictures as SVG text to stand inside a page, made without pyplot.

The same numbers give the same bytes. Ink is ``currentColor``, so the page decides between light
and dark; arms differ in shape as well as in colour (Okabe and Ito's). Text stays text.
"""

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

INK = "#010203"  # becomes currentColor
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vP"
_WIDTH = 5.0  # inches: as wide as a phone shows without shrinking the text
_LONGEST_NAME = 28
_STYLE: "dict[RcKeyType, str | float | bool]" = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name may hold dollars
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def draw_svg(
    name: str,
    draw: Callable[[Axes], None],
    *,
    height: float,
    legend: bool = True,
    grid: str = "x",
) -> str:
    """One picture.

    Args:
        name: Of the picture, from which its ids are made.
        draw: Fills the axes.
        height: In inches.
        legend: Whether labels are explained above the picture.
        grid: Along which axis lines help to read, ``x`` or ``y``.
    """
    with rc_context():
        rcdefaults()  # some libraries change the global style when they are imported
        rcParams.update({**_STYLE, "svg.hashsalt": name})
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        axes.patch.set_visible(False)
        draw(axes)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x" if grid == "x" else "y", color=INK, alpha=0.12, linewidth=0.6)
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


def points(axes: Axes, x: list[float], y: list[int], k: int, arm: str) -> None:
    """Points of treatment k + 1, in its colour and its shape."""
    axes.plot(
        x,
        y,
        linestyle="",
        marker=MARKERS[k % len(MARKERS)],
        markersize=5.5,
        color=COLOURS[k % len(COLOURS)],
        label=short(arm),
    )


def short(name: str) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _inline(svg: str) -> str:
    """Without prologue and addresses of namespaces, which a page does not need."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' xmlns(:\w+)?="[^"]*"', "", body)
    for number, colour in enumerate(COLOURS, 1):  # the page may have brighter ones for the dark
        body = body.replace(colour.lower(), f"var(--arm-{number}, {colour.lower()})")
    return body.replace(INK, "currentColor")
