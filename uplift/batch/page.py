"""The night as one page that a person reads over the first coffee.

It is self-contained: no script, no font, no picture from elsewhere.
"""

from collections.abc import Mapping
from typing import cast

from uplift.batch.progress import readable
from uplift.batch.report import Night
from uplift.pages.html import environment

_HEADLINES: Mapping[str, tuple[str, str]] = {
    "finished": ("pass", "Tonight is published."),
    "unchanged": ("pass", "Nothing had changed: last night's run stays."),
    "failed": ("fail", "Tonight failed. Readers keep the last run."),
}
_DOUBTED = ("warn", "Tonight is published, with doubts.")
_MOST_COLUMNS = 15


def render_night(night: Night) -> str:
    """The page as HTML; the same night gives the same bytes."""
    templates = environment("uplift.batch")
    templates.filters.update(whole=_whole, euro=_euro, clock=readable, share=_share)
    monitoring = night.monitoring or {}
    tone, headline = _HEADLINES[night.status]
    if night.status != "failed" and monitoring.get("verdict") == "warn":
        tone, headline = _DOUBTED
    stability = cast(Mapping[str, float], monitoring.get("stability", {}))
    effect = cast(Mapping[str, object] | None, monitoring.get("policy_effect"))
    worst = sorted(stability.items(), key=lambda item: -item[1])[:_MOST_COLUMNS]
    return templates.get_template("night.html").render(
        night=night,
        tone=tone,
        headline=headline,
        checks=monitoring.get("checks", []),
        migration=monitoring.get("migration"),
        missing=monitoring.get("missing", {}),
        stability=worst,
        effect=effect if effect and effect["standard_error"] is not None else None,
        n_columns=len(stability),
        widest=max([value for _, value in worst], default=0.0) or 1.0,
        allocation=night.allocation,
        most=max([row.customers for row in night.segments], default=0) or 1,
        total=sum(row.customers for row in night.segments) or 1,
        longest=max([step.seconds for step in night.steps], default=0.0) or 1.0,
    )


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _euro(value: float | None) -> str:
    return "no limit" if value is None else f"{value:,.2f}\N{NO-BREAK SPACE}€"


def _share(value: float) -> str:
    return f"{100 * value:.1f}\N{NO-BREAK SPACE}%"
