import numpy as np
import pytest

from tests.experiment.checks.builders import check
from uplift.experiment.checks.exposure import PROPENSITY_BINS, Contamination, PropensitySums


def sums(weight: float, squared_weight: float) -> PropensitySums:
    return PropensitySums(
        n=np.array([100, 100]),
        weight=np.array([200.0, weight]),
        squared_weight=np.array([400.0, squared_weight]),
        in_bin=np.zeros((2, PROPENSITY_BINS), dtype=np.int64),
    )


# Kish: (sum w)^2 / sum w^2 over n
@pytest.mark.parametrize(
    ("squared", "share", "verdict"),
    [(400.0, 1.0, "pass"), (1000.0, 0.4, "warn"), (10_000.0, 0.04, "fail")],
)
def test_uneven_weights_cost_units(squared: float, share: float, verdict: str) -> None:
    found = check("effective_sample_size", propensities=sums(200.0, squared))
    assert (found.verdict, found.value) == (verdict, pytest.approx(share))
    if share < 1.0:
        assert f"the 100 units of arm 'coupon_5' are worth {100 * share:.0f}" in found.message


# of 10,000 an arm; 400 against 600: chi2 = 42
@pytest.mark.parametrize(
    ("elsewhere", "verdict"),
    [
        ((500, 520), "pass"),
        ((1500, 1520), "warn"),  # many, and alike
        ((500, 590), "warn"),  # p = 0.005
        ((100, 170), "warn"),  # p = 0.00002, but less than a hundredth of the units
        ((400, 600), "fail"),
    ],
)
def test_contaminated_units_are_doubted_and_refused_where_arms_differ(
    elsewhere: tuple[int, int], verdict: str
) -> None:
    counts = Contamination(n=np.full(2, 10_000), n_elsewhere=np.array(elsewhere))
    found = check("contamination", contamination=counts)
    assert found.verdict == verdict
    assert f"{sum(elsewhere):,} of 20,000 units were in another experiment" in found.message
