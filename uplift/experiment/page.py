"""The report as one page that a person reads in two minutes.

It is self-contained: no script, no font, no picture from elsewhere. Whatever a log calls its arms
and features is text there, never markup.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from uplift.config import ExperimentChecks
from uplift.experiment.checks.base import Check, Verdict
from uplift.experiment.checks.outcomes import ArmEffect
from uplift.experiment.checks.words import CHECKS, Words
from uplift.experiment.figures import (
    adjusted_balance_svg,
    balance_svg,
    effects_svg,
    overlap_svg,
    propensities_svg,
)
from uplift.experiment.observational import ObservationalReport
from uplift.experiment.report import ExperimentReport
from uplift.pages.html import environment

_HEADLINES: Mapping[Verdict, tuple[str, str]] = {
    "pass": (
        "This experiment can carry a causal claim.",
        "Nothing speaks against it. Read the effects with their intervals, and learn from the log.",
    ),
    "warn": (
        "This experiment can be used, with doubts.",
        "Read each doubt below and decide whether it touches your question. The walk goes on.",
    ),
    "fail": (
        "This experiment cannot carry a causal claim as it is.",
        "Do not act on its effects. Mend what failed below and check again.",
    ),
}

_STUDY_HEADLINE = (
    "Nobody randomised this log: its effects are a matter of belief.",
    "They hold only as far as the features name every cause that arm and outcome share. Read what "
    "follows, and draw the arms by chance next time.",
)

DEFINITIONS: Mapping[str, str] = {
    "effect": "Mean outcome of an arm minus mean outcome of control, units weighted by one over "
    "the chance of their arm.",
    "95 % interval": "Of a hundred such intervals about 95 hold the true effect. Its width counts "
    "randomisation units: households, where households were drawn.",
    "smallest detectable effect": "The true effect that an experiment of this size finds four "
    "times out of five. Estimates well below it are noise, also when they look large.",
    "standardised mean difference": "Distance between the means of an arm and of control in units "
    "of their common spread. Below 0.1 it is rarely of concern.",
    "randomisation unit": "What was drawn into an arm: the customer, or a household or shop with "
    "all its customers.",
    "propensity": "The chance with which a unit was drawn into the arm that it got.",
    "doubly robust": "Weighted by one over the chance of the arm and corrected by a model of the "
    "outcome: right if either of the two is. Only for logs that nobody randomised.",
    "E-value": "How strongly a cause that no feature holds would have to drive both arm and "
    "outcome, as a ratio of risks, to explain the effect away. 1 is no protection at all.",
    "AUC": "How often a model ranks a treated unit above a control unit; 0.5 is a coin.",
    "chance in so many experiments": "The p-value: how often an experiment without any fault looks "
    "at least this odd.",
}


@dataclass(frozen=True)
class _Question:
    """A check with its words, for the template."""

    check: Check
    words: Words


@dataclass(frozen=True)
class _Outcome:
    """The effects on one outcome, for the template."""

    name: str
    effects: Sequence[ArmEffect]
    figure: Markup


@dataclass(frozen=True)
class _Study:
    """A study of a log that nobody randomised, for the template."""

    report: ObservationalReport
    overlap: Sequence[Markup]
    balance: Markup


def render_page(report: ExperimentReport, *, limits: ExperimentChecks) -> str:
    """The page as HTML; the same report gives the same bytes.

    Args:
        report: What was found.
        limits: Where doubt begins, for the figures.
    """
    headline, meaning = _HEADLINES[report.verdict]
    if report.study is not None and report.verdict == "warn":
        headline, meaning = _STUDY_HEADLINE
    if report.verdict == "fail" and report.overridden_by:
        meaning = (
            f"{report.overridden_by} goes on nevertheless and answers for it: treat every effect "
            "as unproven."
        )
    questions = [_Question(check, CHECKS[check.name]) for check in report.checks]
    return (
        environment("uplift.experiment")
        .get_template("experiment.html")
        .render(
            report=report,
            headline=headline,
            meaning=meaning,
            doubts=[question for question in questions if question.check.verdict != "pass"],
            passed=[question for question in questions if question.check.verdict == "pass"],
            n_units=sum(report.n_units),
            outcomes=list(_outcomes(report)),
            balance=_balance(report, limits),
            propensities=_propensities(report),
            study=_study(report.study, limits),
            definitions=DEFINITIONS,
        )
    )


def _outcomes(report: ExperimentReport) -> Iterator[_Outcome]:
    for name in dict.fromkeys(effect.outcome for effect in report.effects):
        effects = [effect for effect in report.effects if effect.outcome == name]
        yield _Outcome(name, effects, Markup(effects_svg(effects)))


def _balance(report: ExperimentReport, limits: ExperimentChecks) -> Markup | None:
    if not report.balance:
        return None
    return Markup(balance_svg(report.arms, report.balance, warn=limits.imbalance_warn))


def _propensities(report: ExperimentReport) -> Markup | None:
    """Only where chances differ: a single bar shows nothing."""
    sums = report.propensities
    if sums is None or (sums.effective_share > 1.0 - 1e-9).all():
        return None
    return Markup(propensities_svg(report.arms, sums))


def _study(study: ObservationalReport | None, limits: ExperimentChecks) -> _Study | None:
    if study is None:
        return None
    return _Study(
        study,
        overlap=[Markup(overlap_svg(study, k=k)) for k in range(1, len(study.arms.names))],
        balance=Markup(adjusted_balance_svg(study, warn=limits.imbalance_warn)),
    )
