from typing import Any

import numpy as np
import pytest

from tests.experiment.checks.builders import check, draws, report


# 10,000 units: chi2 is 4 d^2 / 10,000; 6.63 at p = 0.01, 12.1 at p = 0.0005
@pytest.mark.parametrize(
    ("n", "verdict"),
    [
        ((5100, 4900), "pass"),
        ((5140, 4860), "warn"),
        ((5190, 4810), "fail"),
        ((5200, 4800), "fail"),
    ],
)
def test_uneven_arms_are_doubted_then_refused(n: tuple[int, int], verdict: str) -> None:
    assert check("sample_ratio", draws=draws(n)).verdict == verdict


def test_planned_shares_decide_what_is_even() -> None:
    uneven = draws((8000, 2000))
    assert check("sample_ratio", draws=uneven).verdict == "fail"
    assert check("sample_ratio", draws=uneven, shares=np.array([4.0, 1.0])).verdict == "pass"


def test_without_a_plan_the_logged_propensities_are_the_plan() -> None:
    logged = np.array([0.8, 0.2])
    drawn = draws((8000, 2000), lowest_propensity=logged, highest_propensity=logged)
    found = check("sample_ratio", draws=drawn)
    assert found.verdict == "pass"
    assert "logged shares make 8,000, 2,000" in found.message


def test_propensities_that_differ_within_an_arm_are_no_plan() -> None:
    drawn = draws(
        (8000, 2000),
        lowest_propensity=np.array([0.7, 0.1]),
        highest_propensity=np.array([0.9, 0.3]),
    )
    assert "equal shares make 5,000" in check("sample_ratio", draws=drawn).message


@pytest.mark.parametrize(("n", "verdict"), [(0, "pass"), (1, "warn"), (100, "warn"), (101, "fail")])
def test_units_in_two_arms_are_doubted_then_refused(n: int, verdict: str) -> None:
    found = check("one_arm_each", draws=draws(n_in_two_arms=n))
    assert found.verdict == verdict
    assert found.message == f"{n} of 10,000 randomisation units were seen in two arms"


@pytest.mark.parametrize(("n", "verdict"), [(0, "pass"), (100, "pass"), (101, "warn")])
def test_many_repeated_assignments_are_doubted(n: int, verdict: str) -> None:
    found = check("repeated_assignments", draws=draws(n_repeated=n))
    assert (found.verdict, found.value) == (verdict, n / 10_000)


@pytest.mark.parametrize(
    ("missing", "verdict"), [((0, 0), "pass"), ((5000, 5000), "pass"), ((0, 1), "warn")]
)
def test_propensities_are_logged_for_all_or_for_none(
    missing: tuple[int, int], verdict: str
) -> None:
    drawn = draws(n_without_propensity=np.array(missing))
    assert check("logged_propensities", draws=drawn).verdict == verdict


def test_a_propensity_below_the_floor_is_refused() -> None:
    drawn = draws(lowest_propensity=np.array([0.5, 0.04]))
    found = check("propensity_floor", draws=drawn)
    assert (found.verdict, found.value) == ("fail", 0.04)
    assert found.message == "the lowest propensity is 0.04, in arm 'coupon_5'"


def test_where_no_propensity_is_logged_the_planned_share_must_clear_the_floor() -> None:
    unlogged = draws(
        n_without_propensity=np.array([5000, 5000]),
        lowest_propensity=np.full(2, np.nan),
        highest_propensity=np.full(2, np.nan),
    )
    shares = np.array([0.97, 0.03])
    assert check("propensity_floor", draws=unlogged, shares=shares).verdict == "fail"
    assert check("propensity_floor", draws=unlogged).verdict == "pass"


@pytest.mark.parametrize(
    ("late", "afterwards", "verdict"),
    [(0, None, "pass"), (0, 0, "pass"), (3, None, "warn"), (0, 2, "warn")],
)
def test_an_assignment_after_the_last_event_or_logged_after_its_window_is_doubted(
    late: int, afterwards: int | None, verdict: str
) -> None:
    drawn = draws(n_after_last_event=late, n_logged_afterwards=afterwards)
    found = check("assigned_in_time", draws=drawn)
    assert found.verdict == verdict
    assert ("2 were logged after their outcome window" in found.message) == (afterwards == 2)


@pytest.mark.parametrize(("n", "verdict"), [(100, "pass"), (101, "warn"), (5001, "fail")])
def test_windows_that_the_log_does_not_cover_are_doubted_then_refused(n: int, verdict: str) -> None:
    assert check("window_closed", draws=draws(n_open=n)).verdict == verdict


@pytest.mark.parametrize("name", ["assigned_in_time", "window_closed"])
def test_a_log_without_times_is_not_asked_for_them(name: str) -> None:
    assert name not in {check.name for check in report().checks}


def test_arms_with_the_same_logged_chances_had_the_same_chances() -> None:
    unlogged: dict[str, Any] = {"highest_propensity": np.full(2, np.nan)}
    assert draws(**unlogged).same_chances
    assert not draws(highest_propensity=np.array([0.5, 0.6])).same_chances
