"""Pages for people: self-contained HTML, and how it writes numbers and sentences.

No script, no font, no picture from elsewhere. Whatever a log calls its arms and features is text
there, never markup.
"""

import re

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

_IN_BACKTICKS = re.compile(r"`([^`]+)`")


def environment(package: str) -> Environment:
    """Templates of a package, with the style of the house as ``house.css``."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("uplift.pages")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(figures=figures, sentence=sentence)
    return made


def sentence(text: str) -> Markup:
    """With a capital and a full stop; what stands in backticks is code, all of it escaped.

    Examples:
        >>> sentence("`age` is < 3")
        Markup('<code>age</code> is &lt; 3.')
    """
    whole = f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
    return Markup(_IN_BACKTICKS.sub(r"<code>\1</code>", str(escape(whole))))


def figures(value: float) -> str:
    """Three significant digits without an exponent where that stays readable.

    Examples:
        >>> figures(0.0123456), figures(1234.5), figures(1e-7), figures(float("nan"))
        ('0.0123', '1,234', '1e-07', 'unknown')
    """
    if value != value:
        return "unknown"
    if abs(value) >= 1000.0:
        return f"{value:,.0f}"
    return f"{value:.3g}"
