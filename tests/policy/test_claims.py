import math

import numpy as np

from tests.policy.builders import policy
from uplift.policy import decide, draw, spend_steps
from uplift.policy.budget import nano_euro
from uplift.policy.claims import claims_on_budget

N = 500
IDS = [f"unit-{i}" for i in range(N)]
CONVERSION = np.random.default_rng(4).uniform(0.0, 0.5, (N, 3))
EVERYBODY = np.ones(N, dtype=bool)


def test_without_chance_everybody_claims_the_steps_of_the_hull():
    rule = policy()
    found = claims_on_budget(rule, IDS, CONVERSION, None, EVERYBODY)
    decided = decide(rule, IDS, CONVERSION, None, EVERYBODY)
    steps = spend_steps(decided.gain, decided.cost)
    assert found.slope.tolist() == steps.slope.tolist()
    assert found.nano_euro.tolist() == nano_euro(steps.added_cost).tolist()


def test_who_is_held_out_or_may_not_be_contacted_claims_nothing():
    assert len(claims_on_budget(policy(), IDS, CONVERSION, None, ~EVERYBODY).slope) == 0
    rule = policy(holdout_share=0.5)
    held_out = draw(rule, IDS).is_held_out
    others = [unit for unit, out in zip(IDS, held_out, strict=True) if not out]
    found = claims_on_budget(rule, IDS, CONVERSION, None, EVERYBODY)
    kept = claims_on_budget(rule, others, CONVERSION[~held_out], None, EVERYBODY[~held_out])
    assert found.slope.tolist() == kept.slope.tolist()


def test_explorers_claim_what_their_arm_costs_before_anybody_else():
    rule = policy(holdout_share=0.3, exploration_share=1.0)
    found = claims_on_budget(rule, IDS, CONVERSION, None, EVERYBODY)
    decided = decide(rule, IDS, CONVERSION, None, EVERYBODY)
    spend = np.column_stack([np.zeros(N), decided.cost])[np.arange(N), decided.arm]
    explorers = decided.reason == "exploration"
    assert set(found.slope.tolist()) == {math.inf}
    assert found.nano_euro.tolist() == nano_euro(spend[explorers]).tolist()
    assert 0 < (found.nano_euro == 0).sum() < explorers.sum()  # control is explored too
