import numpy as np
import pytest

from tests.experiment.checks.builders import check, report, unit_sums
from uplift.experiment.counts import Counts, arm_counts


def outcomes(n_missing: tuple[int, int], n: int = 10_000) -> dict[str, object]:
    """``n`` units an arm, so many of them without an outcome."""
    conversion = np.zeros(2 * n)
    conversion[: n_missing[0]] = np.nan
    conversion[n : n + n_missing[1]] = np.nan
    arm: Counts = np.repeat([0, 1], n)
    return {"outcomes": arm_counts(arm, {"conversion": conversion}, n_arms=2)}


@pytest.mark.parametrize(
    ("missing", "verdict"),
    [((0, 0), "pass"), ((600, 620), "warn"), ((100, 170), "warn"), ((300, 600), "fail")],
)
def test_missing_outcomes_are_doubted_and_refused_where_arms_differ(
    missing: tuple[int, int], verdict: str
) -> None:
    found = check("missing_outcomes", **outcomes(missing))
    assert found.verdict == verdict
    assert f"the conversion of {sum(missing):,} of 20,000 units is missing" in found.message


def test_attrition_that_depends_on_arm_and_outcome_is_refused() -> None:
    generator = np.random.default_rng(8)
    arm = generator.integers(0, 2, 20_000)
    conversion = (generator.random(20_000) < 0.3).astype(float)
    lost = (arm == 1) & (conversion == 0.0) & (generator.random(20_000) < 0.1)
    conversion[lost] = np.nan
    counts = arm_counts(arm, {"conversion": conversion}, n_arms=2)
    assert check("missing_outcomes", outcomes=counts).verdict == "fail"


# share .5 in both arms of n units; d more in arm 1: z = (d / n) / sqrt(.5 / n) about
@pytest.mark.parametrize(
    ("more", "verdict"), [(0, "pass"), (100, "pass"), (200, "warn"), (300, "fail")]
)
def test_an_effect_before_the_assignment_is_doubted_then_refused(more: int, verdict: str) -> None:
    n = 10_000
    before = [0.0, 1.0] * n
    before[n : n + 2 * more : 2] = [1.0] * more
    arm = [0] * n + [1] * n
    found = check("placebo_effect", before=unit_sums(arm, before=before))
    assert found.verdict == verdict
    assert found.threshold == pytest.approx(2.5758, abs=1e-4)
    assert found.value == pytest.approx(more / n / (0.5 / n) ** 0.5, rel=0.02)


def test_an_arm_where_everybody_converted_before_is_refused_though_nothing_varies() -> None:
    found = check("placebo_effect", before=unit_sums([0, 0, 1, 1], before=[0.0, 0.0, 1.0, 1.0]))
    assert (found.verdict, found.value) == ("fail", np.inf)
    alike = check("placebo_effect", before=unit_sums([0, 0, 1, 1], before=[0.3] * 4))
    assert (alike.verdict, alike.value) == ("pass", 0.0)


def test_a_log_that_starts_with_the_experiment_knows_no_time_before() -> None:
    silent = unit_sums([0, 0, 1, 1], before=[0.0] * 4)
    assert "placebo_effect" not in {c.name for c in report(before=silent).checks}


def test_effects_are_differences_to_control_by_outcome_and_arm() -> None:
    sums = unit_sums([0, 0, 1, 1], conversion=[0.0, 0.0, 1.0, 0.0])
    (effect,) = report(effects=sums).effects
    assert (effect.outcome, effect.arm) == ("conversion", "coupon_5")
    assert (effect.mean, effect.mean_of_control, effect.difference) == (0.5, 0.0, 0.5)
    assert effect.standard_error == pytest.approx(0.5)  # sqrt(0.5 / 2 + 0 / 2)
    assert (effect.low, effect.high) == pytest.approx((0.5 - 0.979982, 0.5 + 0.979982))
    assert effect.smallest_detectable == pytest.approx(2.801585 * 0.5)


# n units an arm with a share of one half: 2.8 sqrt(.5 / n) over .5
@pytest.mark.parametrize(("n", "verdict"), [(200, "pass"), (40, "warn")])
def test_a_log_that_finds_only_huge_effects_is_doubted(n: int, verdict: str) -> None:
    sums = unit_sums([0] * n + [1] * n, conversion=[0.0, 1.0] * n)
    found = check("power", effects=sums)
    assert found.verdict == verdict
    assert found.value == pytest.approx(2.8016 * (0.5 / (n - 1)) ** 0.5 / 0.5, rel=1e-3)


def test_a_control_that_never_converts_gives_no_scale() -> None:
    sums = unit_sums([0, 0, 1, 1], conversion=[0.0, 0.0, 1.0, 0.0])
    assert check("power", effects=sums).verdict == "pass"
