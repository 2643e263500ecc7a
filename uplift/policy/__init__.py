"""From expected outcomes to a coupon, or none: value, segments, budget, and the one rule."""

from uplift.policy.appraisal import Appraisal, appraise
from uplift.policy.assignment import REASONS, Decisions, Draws, decide, draw
from uplift.policy.budget import SpendSteps, duality_gap, shadow_price, spend_steps
from uplift.policy.decision import choose_arm
from uplift.policy.published import Policy
from uplift.policy.segments import SEGMENTS, assign_segments
from uplift.policy.value import ValueRule, gain_and_cost, value_rule

__all__ = [
    "REASONS",
    "SEGMENTS",
    "Appraisal",
    "Decisions",
    "Draws",
    "Policy",
    "SpendSteps",
    "ValueRule",
    "appraise",
    "assign_segments",
    "choose_arm",
    "decide",
    "draw",
    "duality_gap",
    "gain_and_cost",
    "shadow_price",
    "spend_steps",
    "value_rule",
]
