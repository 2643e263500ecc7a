import pytest

from tests.experiment.checks.builders import check, report
from uplift.experiment.checks.log import EventCounts


@pytest.mark.parametrize(("repeated", "verdict"), [(0, "pass"), (10, "pass"), (11, "warn")])
def test_events_sent_twice_are_doubted(repeated: int, verdict: str) -> None:
    found = check("repeated_events", events=EventCounts(1000, repeated, 0, 0, 0))
    assert found.verdict == verdict
    assert found.message.startswith(f"{repeated} of 1,000 events")


@pytest.mark.parametrize(("late", "verdict"), [(2, "pass"), (3, "warn")])
def test_late_events_are_doubted_by_their_share_of_those_that_tell(late: int, verdict: str) -> None:
    found = check("late_events", events=EventCounts(1000, 0, 200, late, 0))
    assert (found.verdict, found.value) == (verdict, late / 200)


def test_events_that_do_not_tell_when_they_were_logged_are_not_asked() -> None:
    checks = report(events=EventCounts(1000, 0, 0, 0, 0)).checks
    assert "late_events" not in {check.name for check in checks}
