import numpy as np
import pytest
from scipy import stats

from uplift.experiment.checks.base import Check, Verdict, p_value_between_arms


def test_the_p_value_between_arms_is_pearsons() -> None:
    hits, n = np.array([30, 45, 60]), np.array([400, 500, 450])
    expected = stats.chi2_contingency([hits, n - hits], correction=False).pvalue
    assert p_value_between_arms(hits, n) == pytest.approx(expected, rel=1e-12)


def test_a_handful_of_hits_tells_nothing() -> None:
    assert p_value_between_arms(np.array([0, 9]), np.array([100, 100])) == 1.0
    assert p_value_between_arms(np.array([0, 0]), np.array([100, 100])) == 1.0
    assert p_value_between_arms(np.array([0, 10]), np.array([100, 100])) < 0.01


def test_only_a_failure_can_be_overridden_and_it_stays_a_doubt() -> None:
    failed = Check("power", "fail", 1.0, 0.5, "").override("ann")
    assert (failed.verdict, failed.counts_as, failed.overridden_by) == ("fail", "warn", "ann")
    verdicts: tuple[Verdict, ...] = ("pass", "warn")
    for verdict in verdicts:
        sound = Check("power", verdict, 1.0, 0.5, "").override("ann")
        assert (sound.counts_as, sound.overridden_by) == (verdict, None)
