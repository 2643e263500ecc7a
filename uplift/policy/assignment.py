"""Who gets what: the fixed order from permission to holdout, exploration and the one rule.

Batch and online call ``decide``. Every draw is a hash of customer, campaign and salt: a decision
is sticky and repeatable, and its propensity is known without storing state.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL
from uplift.hashing import hash_uniforms
from uplift.policy.appraisal import appraise
from uplift.policy.decision import choose_arm
from uplift.policy.published import Policy
from uplift.policy.segments import LOST_CAUSE, PERSUADABLE, SLEEPING_DOG, SURE_THING
from uplift.policy.value import Matrix

NOT_CONTACTABLE = "not_contactable"
HOLDOUT = "holdout"
EXPLORATION = "exploration"
NET_VALUE = "net_value"  # a coupon goes out because it pays
BELOW_THRESHOLD = "below_threshold"  # a coupon would pay, but the budget buys better ones

REASONS = (
    NOT_CONTACTABLE,
    HOLDOUT,
    EXPLORATION,
    NET_VALUE,
    BELOW_THRESHOLD,
    SURE_THING,
    LOST_CAUSE,
    SLEEPING_DOG,
)
_REASON = np.dtype(f"U{max(map(len, REASONS))}")

Booleans = npt.NDArray[np.bool_]
ArmNumbers = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Draws:
    """What chance has in store for n units, before anything else is known about them.

    Attributes:
        is_held_out: Never targeted, shape (n,).
        is_explorer: Gets ``explored_arm``, shape (n,); no unit is both.
        explored_arm: One of all arms, control too, with equal chance, shape (n,).
    """

    is_held_out: Booleans
    is_explorer: Booleans
    explored_arm: ArmNumbers


@dataclass(frozen=True)
class Decisions:
    """The arm of each of n units, and why.

    Attributes:
        arm: Shape (n,).
        reason: One of ``REASONS``, shape (n,).
        propensity: Chance that ``arm`` had, over holdout and exploration, shape (n,).
        propensities: Chance of every arm, shape (n, K + 1).
        segment: Response segment, shape (n,).
        gain: Expected incremental margin of treatments 1..K in euro, shape (n, K).
        cost: Expected spend, same shape.
        best_arm: The arm if the budget did not bind and chance stood aside, shape (n,).
        priority: Net value of the best coupon in euro, shape (n,).
    """

    arm: ArmNumbers
    reason: npt.NDArray[np.str_]
    propensity: Matrix
    propensities: Matrix
    segment: npt.NDArray[np.str_]
    gain: Matrix
    cost: Matrix
    best_arm: ArmNumbers
    priority: Matrix


def draw(policy: Policy, unit_ids: Sequence[str]) -> Draws:
    """Draw holdout, explorers and their arms, each with a salt of its own."""

    def uniforms(purpose: str) -> Matrix:
        return hash_uniforms(unit_ids, f"{policy.salt}:{policy.campaign_id}:{purpose}")

    is_held_out = uniforms("holdout") < policy.holdout_share
    is_explorer = uniforms("exploration") < policy.exploration_share
    n_arms = len(policy.arms.names)
    return Draws(
        is_held_out=is_held_out,
        is_explorer=is_explorer & ~is_held_out,
        explored_arm=(uniforms("exploration_arm") * n_arms).astype(np.intp),
    )


def decide(
    policy: Policy,
    unit_ids: Sequence[str],
    expected_conversion: npt.ArrayLike,
    expected_revenue: npt.ArrayLike | None,
    contactable: npt.ArrayLike,
) -> Decisions:
    """Decide for each unit, in this order: permission, holdout, exploration, net value.

    Args:
        policy: The priced rule; it must belong to the model, see ``Policy.require_model``.
        unit_ids: n ids.
        expected_conversion: Chance of converting in arms 0..K, shape (n, K + 1).
        expected_revenue: Euro in arms 0..K, or None where it is not modelled.
        contactable: Whether anything may be sent at all, shape (n,).
    """
    appraisal = appraise(
        expected_conversion,
        expected_revenue,
        value=policy.value,
        sure_thing_conversion=policy.sure_thing_conversion,
        harm_tolerance=policy.harm_tolerance,
    )
    choice = choose_arm(appraisal.gain, appraisal.cost, shadow_price=policy.shadow_price)
    draws = draw(policy, unit_ids)
    is_closed = ~np.asarray(contactable, dtype=np.bool_)
    # from the last step to the first: each line overrules those above it
    arm = choice.copy()
    arm[draws.is_explorer] = draws.explored_arm[draws.is_explorer]
    arm[draws.is_held_out | is_closed] = CONTROL
    reason = appraisal.segment.astype(_REASON)
    reason[appraisal.segment == PERSUADABLE] = BELOW_THRESHOLD
    reason[choice != CONTROL] = NET_VALUE
    reason[draws.is_explorer] = EXPLORATION
    reason[draws.is_held_out] = HOLDOUT
    reason[is_closed] = NOT_CONTACTABLE
    propensities = _propensities(policy, choice, is_closed)
    return Decisions(
        arm=arm,
        reason=reason,
        propensity=propensities[np.arange(len(arm)), arm],
        propensities=propensities,
        segment=appraisal.segment,
        gain=appraisal.gain,
        cost=appraisal.cost,
        best_arm=appraisal.best_arm,
        priority=appraisal.priority,
    )


def _propensities(policy: Policy, choice: ArmNumbers, is_closed: Booleans) -> Matrix:
    """Chance of every arm over all salts, shape (n, K + 1)."""
    n_arms = len(policy.arms.names)
    certain = np.eye(n_arms)
    explored, held_out = policy.exploration_share, policy.holdout_share
    targeted = explored / n_arms + (1.0 - explored) * certain[choice]
    mixed: Matrix = (1.0 - held_out) * targeted + held_out * certain[CONTROL]
    mixed[is_closed] = certain[CONTROL]
    return mixed
