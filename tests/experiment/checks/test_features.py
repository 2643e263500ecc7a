import numpy as np
import pytest

from tests.experiment.checks.builders import LIMITS, check, covariates, draws
from uplift.arms import Arms
from uplift.experiment.counts import arm_counts
from uplift.experiment.two_sample import TwoSampleTest


# p0 = .5; s more ones of 5,000 give an SMD of about 2 s / 5,000
@pytest.mark.parametrize(
    ("shifted", "verdict"), [(0, "pass"), (200, "pass"), (300, "warn"), (700, "fail")]
)
def test_a_feature_that_differs_is_doubted_then_refused(shifted: int, verdict: str) -> None:
    found = check("imbalance", covariates=covariates(shifted))
    assert found.verdict == verdict
    assert "`member` differs most: arm 'coupon_5'" in found.message


def test_small_arms_may_differ_by_chance() -> None:
    # 20 units an arm, SMD 0.4: above the limits for large arms, within the reach of chance
    found = check("imbalance", covariates=covariates(4, n=20))
    assert found.verdict == "pass"
    assert found.value > LIMITS.imbalance_fail
    assert found.threshold == pytest.approx(2.5758 * (2 / 20) ** 0.5, rel=1e-4)


def test_an_experiment_without_features_is_doubted() -> None:
    assert check("imbalance", covariates=arm_counts([0, 1], {}, n_arms=2)).verdict == "warn"


@pytest.mark.parametrize(
    ("auc", "p_value", "verdict"),
    [
        (0.51, 0.02, "pass"),
        (0.51, 0.009, "warn"),
        (0.51, 0.0001, "warn"),  # however sure, a trifle
        (0.54, 0.002, "warn"),  # however large, unsure
        (0.54, 0.0001, "fail"),
    ],
)
def test_a_model_that_tells_the_arms_apart_is_doubted_then_refused(
    auc: float, p_value: float, verdict: str
) -> None:
    test = TwoSampleTest(auc, p_value, 5000, ("basket", "age"))
    found = check("two_sample", two_sample=(test,))
    assert found.verdict == verdict
    assert "on 5,000 held-out units" in found.message
    assert "it goes by `basket`, `age`" in found.message


def test_p_values_count_once_for_each_treatment() -> None:
    tests = (TwoSampleTest(0.6, 0.4, 100), TwoSampleTest(0.6, 0.006, 100))
    arms = Arms(("none", "a", "b"))
    counts = arm_counts([0, 1, 2] * 9, {"x": list(range(27))}, n_arms=3)
    drawn = draws(
        n=np.full(3, 9),
        n_assignments=np.full(3, 9),
        n_without_propensity=np.full(3, 9),
        lowest_propensity=np.full(3, np.nan),
        highest_propensity=np.full(3, np.nan),
    )
    found = check("two_sample", arms=arms, covariates=counts, draws=drawn, two_sample=tests)
    assert (found.verdict, found.value) == ("pass", 0.012)
    assert "'b'" in found.message


def test_where_chances_differ_by_design_the_arms_may_differ_too() -> None:
    drawn = draws(highest_propensity=np.array([0.5, 0.6]))
    found = check("two_sample", draws=drawn, two_sample=(TwoSampleTest(0.7, 0.0001, 100),))
    assert found.verdict == "warn"
    assert found.message.startswith("not asked")
