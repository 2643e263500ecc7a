"""Policies are worth what their matching rows say."""

import numpy as np
import pytest

from uplift.arms import Arms
from uplift.errors import ContractError, ExperimentError
from uplift.evaluation.policy_sums import PolicySums, policy_sums
from uplift.evaluation.policy_value import (
    best_constant,
    dr_value,
    hajek_standard_error,
    hajek_value,
    ipw_standard_error,
    ipw_value,
)
from uplift.hashing import hash_keys

ARMS = Arms(("none", "coupon_5", "coupon_10"))
ARM = np.array([0, 1, 2, 0, 1, 2])
OUTCOME = np.array([1.0, 2.0, 4.0, 3.0, 5.0, 6.0])
CHANCE = np.array([0.5, 0.25, 0.25, 0.5, 0.2, 0.3])
MODEL = np.array([0, 1, 0, 1, 1, 1])


def sums(replicates: int = 0) -> PolicySums:
    return policy_sums(ARM, OUTCOME, CHANCE, {"model": MODEL}, arms=ARMS, replicates=replicates)


def random_log(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.2, 0.8, n)
    arm = (rng.uniform(size=n) < share).astype(int)
    return arm, 3 + arm + rng.normal(size=n), np.where(arm, share, 1 - share), rng.integers(0, 2, n)


def test_constant_policies_come_first_and_bear_the_arms_names() -> None:
    assert sums().names == ("nobody", "everybody:coupon_5", "everybody:coupon_10", "model")


def test_values_weigh_the_matching_rows_by_one_over_propensity() -> None:
    # matching rows of the model: 0, 1, 4
    u = np.array([1 / 0.5, 1 / 0.25, 1 / 0.2])
    z = u * [1.0, 2.0, 5.0]
    assert ipw_value(sums(), "model") == pytest.approx([z.sum() / 6])
    assert hajek_value(sums(), "model") == pytest.approx([z.sum() / u.sum()])


def test_the_model_that_is_a_constant_policy_has_its_value_on_every_replicate() -> None:
    found = policy_sums(
        ARM, OUTCOME, CHANCE, {"model": np.zeros(6)}, arms=ARMS, replicates=20, seed=3
    )
    difference = ipw_value(found, "model") - ipw_value(found, "nobody")
    assert difference.tolist() == [0.0] * 21


def test_decisions_are_counted_by_arm() -> None:
    assert sums().decided.tolist() == [[6, 0, 0], [0, 6, 0], [0, 0, 6], [2, 4, 0]]


def test_a_shift_of_the_outcome_shifts_the_hajek_value_by_as_much() -> None:
    shifted = policy_sums(ARM, OUTCOME + 100, CHANCE, {"model": MODEL}, arms=ARMS)
    assert hajek_value(shifted, "model") == pytest.approx(hajek_value(sums(), "model") + 100)
    assert ipw_value(shifted, "model") != pytest.approx(ipw_value(sums(), "model") + 100)


def test_a_policy_that_matches_no_row_has_no_hajek_value() -> None:
    nowhere = policy_sums(ARM, OUTCOME, CHANCE, {"model": (ARM + 1) % 3}, arms=ARMS)
    assert np.isnan(hajek_value(nowhere, "model")).all()
    assert ipw_value(nowhere, "model").tolist() == [0.0]


def test_the_closed_form_error_of_a_value_is_that_of_a_mean() -> None:
    arm, outcome, chance, model = random_log(500, seed=1)
    found = policy_sums(arm, outcome, chance, {"model": model}, arms=Arms(("none", "coupon")))
    z = np.where(model == arm, outcome / chance, 0)
    assert ipw_standard_error(found, "model") == pytest.approx(z.std(ddof=1) / np.sqrt(500))
    z -= np.where(arm == 0, outcome / chance, 0)
    paired = ipw_standard_error(found, "model", against="nobody")
    assert paired == pytest.approx(z.std(ddof=1) / np.sqrt(500))


def test_the_closed_form_error_of_a_hajek_value_is_that_of_its_linear_part() -> None:
    arm, outcome, chance, model = random_log(500, seed=1)
    found = policy_sums(arm, outcome, chance, {"model": model}, arms=Arms(("none", "coupon")))
    u = np.where(model == arm, 1 / chance, 0)
    residual = u * (outcome - hajek_value(found, "model")[0]) / u.mean()
    expected = residual.std(ddof=1) / np.sqrt(500)
    assert hajek_standard_error(found, "model") == pytest.approx(expected)


def test_closed_form_and_bootstrap_agree() -> None:
    arm, outcome, chance, model = random_log(5000, seed=2)
    found = policy_sums(
        arm, outcome, chance, {"model": model}, arms=Arms(("none", "coupon")), replicates=400
    )
    for value, error in ((ipw_value, ipw_standard_error), (hajek_value, hajek_standard_error)):
        one, pair = value(found, "model"), value(found, "model") - value(found, "nobody")
        # the standard deviation of 400 draws is good to 3.5 %
        assert one[1:].std() == pytest.approx(error(found, "model"), rel=0.14)
        assert pair[1:].std() == pytest.approx(error(found, "model", against="nobody"), rel=0.14)


@pytest.mark.parametrize("seed", range(10))
def test_equal_policies_of_two_names_differ_by_nothing_without_error(seed: int) -> None:
    arm, outcome, chance, model = random_log(500, seed)
    twice = {"model": model, "champion": model}
    found = policy_sums(arm, outcome, chance, twice, arms=Arms(("none", "coupon")))
    for error in (ipw_standard_error, hajek_standard_error):
        assert error(found, "model", against="champion") == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("chance", [0.0, 1.0, -0.5, np.nan])
def test_an_impossible_propensity_is_refused(chance: float) -> None:
    with pytest.raises(ContractError, match=f"propensity {chance} in 1 of 6 rows.*between 0 and 1"):
        policy_sums(ARM, OUTCOME, np.r_[chance, CHANCE[1:]], {}, arms=ARMS)


def test_a_decision_on_no_arm_is_refused() -> None:
    with pytest.raises(ContractError, match=r"policy 'model': arm 3 in 2 of 6 rows.*to 2"):
        policy_sums(ARM, OUTCOME, CHANCE, {"model": [0, 3, 3, 1, 1, 1]}, arms=ARMS)


def test_an_unknown_policy_names_the_known_ones() -> None:
    with pytest.raises(ContractError, match=r"unknown policy 'best'.*'nobody'.*'model'"):
        ipw_value(sums(), "best")


def test_an_arm_without_rows_is_refused() -> None:
    with pytest.raises(ExperimentError, match="arm 2 has no rows"):
        policy_sums([0, 1], [1, 1], [0.5, 0.5], {}, arms=ARMS)


def test_a_randomisation_unit_in_two_arms_is_refused() -> None:
    keys = hash_keys(["ann", "ann", "bob", "eve", "ian", "ned"])
    with pytest.raises(ExperimentError, match="1 of 5 units"):
        policy_sums(ARM, OUTCOME, CHANCE, {}, arms=ARMS, keys=keys)


def test_the_doubly_robust_value_corrects_what_the_model_expects() -> None:
    expected = np.array([[1.0, 2.0, 3.0]] * 6)
    found = policy_sums(ARM, OUTCOME, CHANCE, {"model": MODEL}, arms=ARMS, expected=expected)
    mean = np.array([1.0, 2.0, 1.0, 2.0, 2.0, 2.0])  # of the arm decided on
    u = np.where(MODEL == ARM, 1 / CHANCE, 0.0)
    assert dr_value(found, "model") == pytest.approx([(mean + u * (OUTCOME - mean)).mean()])


def test_a_model_that_expects_nothing_leaves_the_ipw_value() -> None:
    found = policy_sums(ARM, OUTCOME, CHANCE, {}, arms=ARMS, expected=np.zeros((6, 3)))
    assert dr_value(found, "nobody") == pytest.approx(ipw_value(found, "nobody"))


def test_a_good_model_makes_the_doubly_robust_value_steadier_and_a_wrong_one_does_no_harm() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=4000)
    arm = rng.integers(0, 2, 4000)
    outcome = 10 * x + arm * x + rng.normal(size=4000)
    decisions, arms = {"model": (x > 0).astype(int)}, Arms(("none", "coupon"))
    truth = np.maximum(x, 0.0).mean()
    errors = []
    for expected in (np.column_stack([10 * x, 11 * x]), np.full((4000, 2), -50.0)):
        found = policy_sums(
            arm, outcome, [0.5] * 4000, decisions, arms=arms, expected=expected, replicates=100
        )
        lead = dr_value(found, "model") - dr_value(found, "nobody")
        errors.append(lead[1:].std())
        assert abs(lead[0] - truth) < 3 * errors[-1]
    plain = ipw_value(found, "model") - ipw_value(found, "nobody")
    assert errors[0] < plain[1:].std() / 2


def test_expected_outcomes_must_be_there_and_fit() -> None:
    with pytest.raises(ContractError, match="give `expected` when summing"):
        dr_value(sums(), "model")
    with pytest.raises(ContractError, match=r"shape \(6, 2\) for 6 rows and 3 arms"):
        policy_sums(ARM, OUTCOME, CHANCE, {}, arms=ARMS, expected=np.zeros((6, 2)))
    with pytest.raises(ContractError, match="expected outcome nan in 18 of 18"):
        policy_sums(ARM, OUTCOME, CHANCE, {}, arms=ARMS, expected=np.full((6, 3), np.nan))


def test_the_best_constant_policy_is_the_one_that_was_worth_most() -> None:
    assert best_constant(sums()) == "everybody:coupon_10"
