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


def test_chosen_rows_keep_all_their_columns() -> None:
    data = eight_rows(
        features=np.arange(16.0).reshape(8, 2),
        weight=np.arange(1.0, 9.0),
        cluster=np.array(list("abcdefgh"), dtype=object),
        propensities=np.tile([0.5, 0.25, 0.25], (8, 1)),
    )
    chosen = data.where(data.arm == 1)
    assert chosen.features.tolist() == [[8.0, 9.0], [10.0, 11.0]]
    assert (chosen.outcome.tolist(), chosen.propensity.tolist()) == ([0.0, 1.0], [0.25, 0.25])
    assert chosen.weight is not None
    assert chosen.weight.tolist() == [5.0, 6.0]
    assert chosen.cluster is not None
    assert chosen.cluster.tolist() == ["e", "f"]
    assert chosen.propensities is not None
    assert chosen.propensities.shape == (2, 3)


def test_columns_that_are_not_given_stay_so() -> None:
    chosen = eight_rows().where(np.arange(8) < 3)
    assert (chosen.weight, chosen.cluster, chosen.propensities) == (None, None, None)


def test_a_factor_weighs_rows_that_have_no_weight_and_multiplies_those_that_have() -> None:
    factor = np.full(8, 3.0)
    assert eight_rows().weighted_by(None) is None
    assert eight_rows().weighted_by(factor) is factor
    weighted = eight_rows(weight=np.full(8, 2.0))
    assert weighted.weighted_by(None) is weighted.weight
    assert np.asarray(weighted.weighted_by(factor)).tolist() == [6.0] * 8


@pytest.mark.parametrize(
    "chances",
    [
        [0.5, 0.25, 0.2],  # do not add up
        [0.25, 0.5, 0.25],  # not what the arm drawn says
        [1.0, 0.0, 0.0],  # an arm that nobody could draw
        [0.5, math.nan, 0.25],
    ],
)
def test_chances_of_all_arms_must_agree_with_that_of_the_arm_drawn(chances: list[float]) -> None:
    propensities = np.tile([0.5, 0.25, 0.25], (8, 1))
    propensities[2] = chances
    with pytest.raises(OverlapError, match=r"chances of every arm are .* in 1 of 8 rows"):
        eight_rows(propensities=propensities)


def test_chances_of_all_arms_need_a_row_each() -> None:
    with pytest.raises(ContractError, match=r"shape \(3,\); 8 rows need one number per arm"):
        eight_rows(propensities=np.full(3, 1 / 3))


def test_a_cluster_needs_a_name_in_every_row() -> None:
    with pytest.raises(ContractError, match="cluster"):
        eight_rows(cluster=np.array(["a"], dtype=object))
