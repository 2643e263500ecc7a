"""Every check in the reader's words: what it asks, and what to do if the answer is bad."""

import difflib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from uplift.errors import ConfigError


class Words(NamedTuple):
    """A question, and the way out where the answer raises doubt."""

    question: str
    way_out: str


CHECKS: Mapping[str, Words] = {
    "sample_ratio": Words(
        "Are the arms as large as planned?",
        "Look for units that were lost or added after the draw: redirects, filters, bots, a late "
        "start of one arm. If the plan was another one, set `campaign.planned_shares`.",
    ),
    "imbalance": Words(
        "Is each feature alike in all arms?",
        "Look where the feature comes from: a value written after the assignment does not belong "
        "into `features`; else the draw depended on it.",
    ),
    "two_sample": Words(
        "Can a model tell the arms apart by the features?",
        "Begin with the features named: one written after the assignment must leave `features`; if "
        "all are older, the draw was not random.",
    ),
    "adjusted_balance": Words(
        "Are the arms alike once unequal chances are weighed?",
        "Name in `features` whatever decided who got which arm, or compare fewer units: "
        "`experiment.observational.trim`. Effects stay a matter of belief; a draw by chance is "
        "the way out.",
    ),
    "one_arm_each": Words(
        "Was each randomisation unit in one arm only?",
        "Find out why the draw was not sticky. Below `experiment.two_arms_fail` the first "
        "assignment of each unit counts.",
    ),
    "repeated_assignments": Words(
        "Was each unit assigned once?",
        "Harmless if a sticky draw was logged at each visit; a doubled export is not: compare the "
        "table with its source.",
    ),
    "logged_propensities": Words(
        "Is the chance of the drawn arm logged for all or for none?",
        "Log the propensity with every assignment, or leave the column out and set "
        "`campaign.planned_shares`.",
    ),
    "propensity_floor": Words(
        "Did every unit have a real chance of its arm?",
        "Leave out units that could hardly be drawn into an arm, or lower "
        "`experiment.propensity_floor` and accept wider intervals.",
    ),
    "effective_sample_size": Words(
        "How many units are left once uneven chances are weighed?",
        "Draw with more even chances next time; until then read intervals, not points.",
    ),
    "assigned_in_time": Words(
        "Was every assignment logged before its outcome could be known?",
        "Compare the clocks of both tables, and load the events that are missing.",
    ),
    "window_closed": Words(
        "Is every outcome window over?",
        "Wait until `campaign.outcome_window_days` have passed after the last assignment, or load "
        "the missing events.",
    ),
    "repeated_events": Words(
        "Is every event logged once?",
        "If events are sent more than once, drop the copies with `features.repeated_events`; in a "
        "log whose times are days, equal events may be true repeats.",
    ),
    "late_events": Words(
        "Do events reach the log in time?",
        "Wait longer before a fresh experiment is judged, or raise `experiment.late_event_days` if "
        "such delays are known and harmless.",
    ),
    "contamination": Words(
        "Was any other experiment in the way?",
        "Give experiments that touch the same outcome separate units, or leave the units of both "
        "out of this one.",
    ),
    "missing_outcomes": Words(
        "Are outcomes known equally often in all arms?",
        "Find out why outcomes are missing. Where arms differ, no weighting repairs it without "
        "knowing the reason.",
    ),
    "placebo_effect": Words(
        "Did the arms behave alike before the assignment?",
        "A difference before the assignment cannot be its effect: look at who was drawn, and at "
        "the times in the log.",
    ),
    "power": Words(
        "Is the log large enough to find an effect?",
        "Effects smaller than this are noise in this log: run it longer, or with more units.",
    ),
}


def require_known_checks(names: Iterable[str]) -> None:
    """Refuse an override of a check that does not exist; the nearest name is offered.

    Raises:
        ConfigError: A name in ``experiment.overrides`` is no check's name.
    """
    named = list(names)
    unknown = [name for name in named if name not in CHECKS]
    if not unknown:
        return
    close = difflib.get_close_matches(unknown[0], CHECKS, n=1, cutoff=0.5)
    offer = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(CHECKS)}."
    raise ConfigError(
        f"`experiment.overrides` names {len(unknown)} of {len(named)} checks that do not exist: "
        f"{', '.join(map(repr, unknown))}; {offer}"
    )
