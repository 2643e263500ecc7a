import math

import numpy as np
import pytest

from tests.learners.builders import eight_rows
from uplift.errors import ContractError, ExperimentError, OverlapError, UpliftError

OUTCOME = eight_rows().outcome


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf])
def test_an_outcome_that_is_no_number_is_counted(strange: float) -> None:
    outcome = OUTCOME.copy()
    outcome[[2, 5]] = strange
    with pytest.raises(ContractError, match=f"outcome is {strange} in 2 of 8 rows. Leave"):
        eight_rows(outcome=outcome)


@pytest.mark.parametrize("impossible", [0.0, -0.1, 1.1])
def test_a_propensity_outside_nought_to_one_breaks_overlap(impossible: float) -> None:
    propensity = np.full(8, 0.5)
    propensity[3] = impossible
    with pytest.raises(OverlapError, match=f"propensity is {impossible}.* in 1 of 8 rows"):
        eight_rows(propensity=propensity)


def test_a_propensity_of_one_is_possible() -> None:
    assert eight_rows(propensity=np.ones(8)).n_rows == 8


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"propensity": np.full(8, math.nan)}, ContractError, "propensity is nan in 8 of 8 rows"),
        ({"weight": np.full(8, math.inf)}, ContractError, "weight is inf in 8 of 8 rows"),
        ({"weight": np.zeros(8)}, ContractError, "weight is not positive in 8 of 8 rows"),
        ({"outcome": np.zeros(7)}, ContractError, r"8 rows.*\{'outcome': \(7,\)\}"),
        ({"arm": np.zeros((8, 1), dtype=int)}, ContractError, r"\{'arm': \(8, 1\)\}"),
        ({"arm": np.zeros(8)}, ContractError, "the arm is float64; learning needs integers"),
        ({"features": np.zeros((8, 2), dtype=np.float32)}, ContractError, "features are float32"),
        ({"features": np.zeros(8)}, ContractError, r"of shape \(8,\); learning needs float64"),
    ],
)
def test_columns_that_break_the_contract_are_refused(
    changed: dict[str, object], error: type[UpliftError], message: str
) -> None:
    with pytest.raises(error, match=message):
        eight_rows(**changed)


def test_no_rows_at_all_are_refused() -> None:
    nothing = {name: np.zeros(0) for name in ("outcome", "propensity")}
    with pytest.raises(ExperimentError, match="not one training row"):
        eight_rows(features=np.zeros((0, 2)), arm=np.zeros(0, dtype=int), **nothing)


def test_missing_features_are_welcome() -> None:
    assert eight_rows(features=np.full((8, 2), math.nan)).n_rows == 8


def test_an_arm_below_the_minimum_is_named_with_its_count() -> None:
    eight_rows().require_arms(3, at_least=2)
    with pytest.raises(ExperimentError, match=r"arm 1 has 2 of 8 .* at least 3 .*\[4, 2, 2\]"):
        eight_rows().require_arms(3, at_least=3)


def test_an_arm_without_rows_is_named() -> None:
    with pytest.raises(ExperimentError, match=r"arm 3 has 0 of 8"):
        eight_rows().require_arms(4, at_least=1)


@pytest.mark.parametrize("stranger", [3, -1])
def test_an_arm_that_the_campaign_does_not_have_is_refused(stranger: int) -> None:
    arm = eight_rows().arm.copy()
    arm[0] = stranger
    with pytest.raises(ContractError, match=f"arm {stranger} occurs in 1 of 8 rows"):
        eight_rows(arm=arm).require_arms(3, at_least=1)


def test_a_conversion_must_be_nought_or_one() -> None:
    eight_rows().require_binary()
    with pytest.raises(ContractError, match=r"conversion is 0.5 in 1 of 8 rows"):
        eight_rows(outcome=np.append(OUTCOME[:7], 0.5)).require_binary()
