import math

import numpy as np
import pytest

from tests.policy.builders import policy
from uplift.errors import ContractError
from uplift.policy import REASONS, decide, draw
from uplift.policy.prices import Price

N = 20_000
IDS = [f"unit-{i}" for i in range(N)]
PAYS = [0.1, 0.6, 0.7]  # coupon_5: gains 15, costs 3.1; coupon_10: gains 18, costs 7.1
NEVER = [0.1, 0.1, 0.1]
ANYWAY = [0.9, 0.9, 0.9]
HARMED = [0.9, 0.5, 0.5]


def decide_one(expected_conversion, *, contactable=True, **changes):
    return decide(policy(**changes), ["ann"], [expected_conversion], None, [contactable])


def off(share_found, share, n=N):
    """Distance in standard errors."""
    return abs(share_found - share) / math.sqrt(share * (1.0 - share) / n)


@pytest.mark.parametrize(
    ("expected_conversion", "shadow_price", "arm", "reason"),
    [
        (PAYS, 0.0, 1, "net_value"),
        (PAYS, 9.0, 0, "below_threshold"),
        (NEVER, 0.0, 0, "lost_cause"),
        (ANYWAY, 0.0, 0, "sure_thing"),
        (HARMED, 0.0, 0, "sleeping_dog"),
    ],
)
def test_a_customer_whom_chance_spares_gets_what_pays_and_hears_why(
    expected_conversion, shadow_price, arm, reason
):
    decided = decide_one(expected_conversion, shadow_price=shadow_price)
    assert (decided.arm.tolist(), decided.reason.tolist()) == ([arm], [reason])
    assert decided.propensity.tolist() == [1.0]


def test_gain_cost_segment_and_unbounded_choice_come_with_the_decision():
    decided = decide_one(PAYS, shadow_price=9.0)
    np.testing.assert_allclose(decided.gain, [[15.0, 18.0]])
    np.testing.assert_allclose(decided.cost, [[3.1, 7.1]])
    np.testing.assert_allclose(decided.priority, [11.9])
    assert (decided.best_arm.tolist(), decided.segment.tolist()) == ([1], ["persuadable"])


def test_permission_goes_before_holdout_and_holdout_before_exploration():
    everybody = {"holdout_share": 1.0, "exploration_share": 1.0}
    assert decide_one(PAYS, contactable=False, **everybody).reason.tolist() == ["not_contactable"]
    assert decide_one(PAYS, **everybody).reason.tolist() == ["holdout"]
    assert decide_one(PAYS, exploration_share=1.0).reason.tolist() == ["exploration"]


def test_whoever_may_not_be_contacted_gets_control_for_certain():
    decided = decide_one(PAYS, contactable=False, holdout_share=0.3, exploration_share=0.3)
    assert decided.arm.tolist() == [0]
    assert decided.propensity.tolist() == [1.0]
    assert decided.propensities.tolist() == [[1.0, 0.0, 0.0]]


@pytest.mark.parametrize("share", [0.05, 0.4])
def test_the_holdout_has_its_share_and_only_control(share):
    decided = decide(policy(holdout_share=share), IDS, [PAYS] * N, None, [True] * N)
    held_out = decided.reason == "holdout"
    assert off(held_out.mean(), share) < 3.0
    assert set(decided.arm[held_out].tolist()) == {0}


def test_explorers_have_their_share_and_spread_evenly_over_all_arms():
    decided = decide(policy(exploration_share=0.3), IDS, [PAYS] * N, None, [True] * N)
    explorers = decided.reason == "exploration"
    assert off(explorers.mean(), 0.3) < 3.0
    shares = np.bincount(decided.arm[explorers], minlength=3) / explorers.sum()
    assert max(off(share, 1.0 / 3.0, explorers.sum()) for share in shares) < 3.0


@pytest.mark.parametrize("expected_conversion", [PAYS, NEVER])
def test_the_logged_propensity_is_the_share_that_each_arm_really_gets(expected_conversion):
    rule = policy(holdout_share=0.2, exploration_share=0.3)
    decided = decide(rule, IDS, [expected_conversion] * N, None, [True] * N)
    shares = np.bincount(decided.arm, minlength=3) / N
    for arm in range(3):
        propensity = decided.propensities[0, arm]
        assert off(shares[arm], propensity) < 3.0
        assert (decided.propensity[decided.arm == arm] == propensity).all()


def test_propensities_are_known_by_head():
    """Held out 0.2; else explorers 0.3, a third each; else coupon_5."""
    (chances,) = decide_one(PAYS, holdout_share=0.2, exploration_share=0.3).propensities
    np.testing.assert_allclose(chances, [0.8 * 0.1 + 0.2, 0.8 * 0.8, 0.8 * 0.1])


DRAWS = {
    "another campaign": {"campaign_id": "spring"},
    "another salt": {"salt": "policy-2"},
}


@pytest.mark.parametrize("changes", DRAWS.values(), ids=DRAWS)
def test_other_draws_are_independent(changes):
    shares = {"holdout_share": 0.5, "exploration_share": 0.5}
    here, there = draw(policy(**shares), IDS), draw(policy(**shares, **changes), IDS)
    assert off((here.is_held_out & there.is_held_out).mean(), 0.25) < 3.0
    assert off((here.is_explorer & there.is_explorer).mean(), 0.0625) < 3.0
    assert off((here.explored_arm == there.explored_arm).mean(), 1.0 / 3.0) < 3.0


def test_holdout_exploration_and_explored_arm_are_independent_of_each_other():
    drawn = draw(policy(holdout_share=0.5, exploration_share=0.5), IDS)
    assert off(drawn.is_explorer.mean(), 0.25) < 3.0
    for group in (drawn.is_held_out, drawn.is_explorer):
        shares = np.bincount(drawn.explored_arm[group], minlength=3) / group.sum()
        assert max(off(share, 1.0 / 3.0, group.sum()) for share in shares) < 3.0


def test_a_larger_share_keeps_everybody_it_had():
    small, large = (draw(policy(holdout_share=share), IDS).is_held_out for share in (0.05, 0.1))
    assert not (small & ~large).any()


def test_a_single_request_gets_the_decision_of_the_batch_to_the_last_bit():
    rng = np.random.default_rng(3)
    n = 300
    conversion = rng.uniform(0.0, 0.6, (n, 3))
    contactable = rng.random(n) < 0.8
    rule = policy(shadow_price=1.3, holdout_share=0.2, exploration_share=0.2)
    batch = decide(rule, IDS[:n], conversion, None, contactable)
    assert set(batch.reason.tolist()) == set(REASONS) - {"not_eligible"}
    for i in range(n):
        single = decide(rule, IDS[i : i + 1], conversion[i : i + 1], None, contactable[i : i + 1])
        for name, value in vars(single).items():
            assert value[0].tolist() == getattr(batch, name)[i].tolist(), name


def test_a_coupon_that_may_not_go_out_is_replaced_by_the_next_best_that_pays():
    decided = decide(
        policy(), IDS[:4], [PAYS] * 4, None, [True] * 4, eligible=[[1, 1], [0, 1], [1, 0], [0, 0]]
    )
    assert decided.arm.tolist() == [1, 2, 1, 0]
    assert decided.reason.tolist() == [*["net_value"] * 3, "not_eligible"]
    assert decided.segment.tolist() == ["persuadable"] * 4


def test_a_coupon_withheld_by_eligibility_alone_says_so_and_one_too_dear_does_not():
    only_first_pays = [0.1, 0.6, 0.1]
    rules = policy(), policy(shadow_price=9.0)
    reasons = [
        str(decide(r, ["ann"], [only_first_pays], None, [True], eligible=[[0, 1]]).reason[0])
        for r in rules
    ]
    assert reasons == ["not_eligible", "below_threshold"]


def test_whoever_may_get_nothing_is_closed_to_chance_too():
    rule = policy(holdout_share=0.5, exploration_share=0.9)
    decided = decide(rule, IDS, [PAYS] * N, None, [True] * N, eligible=np.zeros((N, 2)))
    assert set(decided.reason.tolist()) == {"not_eligible"}
    assert (decided.propensities == [1.0, 0.0, 0.0]).all()


def test_exploration_draws_control_and_eligible_arms_alike_and_says_with_which_chance():
    rule = policy(holdout_share=0.1, exploration_share=0.5)
    decided = decide(rule, IDS, [PAYS] * N, None, [True] * N, eligible=[[False, True]] * N)
    np.testing.assert_allclose(decided.propensities[0], [0.9 * 0.25 + 0.1, 0.0, 0.9 * 0.75])
    assert off((decided.arm == 2).mean(), 0.9 * 0.75) < 3.0
    explored = decided.arm[decided.reason == "exploration"]
    assert set(explored.tolist()) == {0, 2}
    assert off((explored == 2).mean(), 0.5, len(explored)) < 3.0


def test_who_may_get_everything_is_decided_as_if_nobody_had_asked():
    rule = policy(holdout_share=0.2, exploration_share=0.3)
    arguments = (rule, IDS[:500], [PAYS] * 500, None, [True] * 500)
    asked = decide(*arguments, eligible=np.ones((500, 2)))
    for name, value in vars(decide(*arguments)).items():
        assert getattr(asked, name).tolist() == value.tolist(), name


def test_eligibility_of_another_shape_is_refused():
    with pytest.raises(ContractError, match=r"shape \(1, 3\) for 1 units and 2 treatments"):
        decide(policy(), ["ann"], [PAYS], None, [True], eligible=[[1, 1, 1]])


def test_inputs_stay_as_they_were():
    conversion, contactable = np.array([PAYS, NEVER]), np.array([True, False])
    before = conversion.copy(), contactable.copy()
    decide(policy(exploration_share=0.5), IDS[:2], conversion, None, contactable)
    assert (conversion == before[0]).all()
    assert (contactable == before[1]).all()


TIED = {"shadow_price": 5.0, "tie_shadow_price": 1.0, "tie_share": 0.4}


def test_ties_are_split_by_a_sticky_draw_and_the_propensity_says_how():
    """At price 5 coupon_5 costs more than it gains, 15 against 18.6; at 1 it does not."""
    decided = decide(policy(**TIED, exploration_share=0.1), IDS, [PAYS] * N, None, [True] * N)
    np.testing.assert_allclose(
        decided.propensities[0], [0.1 / 3 + 0.9 * 0.6, 0.1 / 3 + 0.9 * 0.4, 0.1 / 3]
    )
    assert off((decided.arm == 1).mean(), 0.1 / 3 + 0.9 * 0.4) < 3.0
    assert set(decided.reason.tolist()) == {"net_value", "below_threshold", "exploration"}
    again = decide(policy(**TIED, exploration_share=0.1), IDS, [PAYS] * N, None, [True] * N)
    assert again.arm.tolist() == decided.arm.tolist()


def test_a_price_per_coupon_and_per_group_comes_off_the_gain():
    prices = (Price(), Price(5.0))
    capped = decide_one([0.1, 0.2, 0.9], arm_prices=(Price(100.0), Price(0.0)))
    assert capped.arm.tolist() == [2]
    assert decide_one([0.1, 0.1, 0.6], arm_prices=(Price(), Price(100.0))).arm.tolist() == [0]
    assert decide_one([0.1, 0.6, 0.9], arm_prices=prices).arm.tolist() == [1]
    rule = policy(group_attribute="region", group_prices={"north": Price(100.0)})
    decided = decide(rule, IDS[:3], [PAYS] * 3, None, [True] * 3, groups=["north", "south", None])
    assert decided.arm.tolist() == [0, 1, 1]


def test_a_subsidy_sends_what_does_not_pay():
    rule = policy(group_attribute="region", group_prices={"north": Price(-2.0)})
    decided = decide(rule, IDS[:2], [NEVER] * 2, None, [True] * 2, groups=["north", "south"])
    assert decided.arm.tolist() == [1, 0]
    assert decided.reason.tolist() == ["net_value", "lost_cause"]


@pytest.mark.long
def test_shares_are_right_over_a_million_customers_and_independent_across_campaigns():
    n = 1_000_000
    ids = [f"c{number:09d}" for number in range(n)]
    shares = {"holdout_share": 0.05, "exploration_share": 0.02}
    here = decide(policy(**shares, **TIED), ids, [PAYS] * n, None, np.ones(n))
    other = draw(policy(**shares, campaign_id="spring"), ids)
    held_out, explorers = here.reason == "holdout", here.reason == "exploration"
    assert off(held_out.mean(), 0.05, n) < 3.0
    assert off(explorers.mean(), 0.95 * 0.02, n) < 3.0
    for arm in range(3):
        assert off((here.arm == arm).mean(), here.propensities[0, arm], n) < 3.0
    assert off((held_out & other.is_held_out).mean(), 0.05**2, n) < 3.0
    assert off((explorers & other.is_explorer).mean(), 0.019**2, n) < 3.0
    assert abs(np.corrcoef(other.tie, draw(policy(), ids).tie)[0, 1]) < 3.0 / math.sqrt(n)
