"""Is the log of events itself to be trusted: nothing sent twice, nothing that came too late?"""

from collections.abc import Iterable
from dataclasses import dataclass

from uplift.config import ExperimentChecks
from uplift.experiment.checks.base import Check, grade


@dataclass(frozen=True)
class EventCounts:
    """What the events say about their own logging.

    Attributes:
        n: Events.
        n_repeated: Events that equal another one in unit, type, time and value, the first of each
            left out.
        n_logged: Events that say when they were logged.
        n_late: Of these, logged more than ``experiment.late_event_days`` after they happened.
        last_us: Time of the last event in microseconds since 1970; None without events.
    """

    n: int
    n_repeated: int
    n_logged: int
    n_late: int
    last_us: int | None


def event_checks(events: EventCounts, limits: ExperimentChecks) -> Iterable[Check]:
    """Both checks; lateness only where events say when they were logged."""
    share = events.n_repeated / max(events.n, 1)
    yield Check(
        "repeated_events",
        grade(share > limits.repeated_events_warn, False),
        share,
        limits.repeated_events_warn,
        f"{events.n_repeated:,} of {events.n:,} events equal another one in unit, type, time and "
        "value",
    )
    if events.n_logged:
        share = events.n_late / events.n_logged
        yield Check(
            "late_events",
            grade(share > limits.late_events_warn, False),
            share,
            limits.late_events_warn,
            f"{events.n_late:,} of {events.n_logged:,} events were logged more than "
            f"{limits.late_event_days} days after they happened",
        )
