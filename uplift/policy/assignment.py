"""Who gets what: the fixed order from permission to holdout, exploration and the one rule.

Batch and online call ``decide``. Every draw is a hash of customer, campaign and salt: a decision
is sticky and repeatable, and its propensity is known without storing state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL
from uplift.errors import ContractError
from uplift.hashing import hash_uniforms
from uplift.policy.appraisal import appraise
from uplift.policy.decision import ArmNumbers
from uplift.policy.prices import Groups, tie_draws
from uplift.policy.published import Policy
from uplift.policy.segments import LOST_CAUSE, PERSUADABLE, SLEEPING_DOG, SURE_THING
from uplift.policy.value import Matrix

NOT_CONTACTABLE = "not_contactable"
NOT_ELIGIBLE = "not_eligible"  # may be contacted, but the coupon that would go out may not
HOLDOUT = "holdout"
EXPLORATION = "exploration"
NET_VALUE = "net_value"  # a coupon goes out because it pays
BELOW_THRESHOLD = "below_threshold"  # a coupon would pay, but the budget buys better ones

REASONS = (
    NOT_CONTACTABLE,
    NOT_ELIGIBLE,
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


@dataclass(frozen=True)
class Draws:
    """What chance has in store for n units, before anything else is known about them.

    Attributes:
        is_held_out: Never targeted, shape (n,).
        is_explorer: Gets ``explored_arm``, shape (n,); no unit is both.
        explored_arm: Control or an arm that the unit may get, with equal chance, shape (n,).
        tie: In [0, 1): who goes first among equals, shape (n,).
    """

    is_held_out: Booleans
    is_explorer: Booleans
    explored_arm: ArmNumbers
    tie: Matrix


@dataclass(frozen=True)
class Decisions:
    """The arm of each of n units, and why.

    Attributes:
        arm: Shape (n,).
        reason: One of ``REASONS``, shape (n,).
        propensity: Chance that ``arm`` had, over holdout, exploration and ties, shape (n,).
        propensities: Chance of every arm, shape (n, K + 1).
        segment: Response segment, shape (n,).
        gain: Expected incremental margin of treatments 1..K in euro, shape (n, K).
        cost: Expected spend, same shape.
        best_arm: The arm if the budget did not bind and chance stood aside, shape (n,).
        priority: Net value of the best coupon in euro, shape (n,).
        evidence: Whether the data bear the segment out, ``strong`` or ``weak``, shape (n,).
        arm_evidence: The same for the sign of every arm's net value, shape (n, K).
        persuadable_low: Chance of being one for the best coupon, at least, shape (n,).
        persuadable_high: ... at most.
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
    evidence: npt.NDArray[np.str_]
    arm_evidence: npt.NDArray[np.str_]
    persuadable_low: Matrix
    persuadable_high: Matrix


def draw(policy: Policy, unit_ids: Sequence[str], eligible: npt.ArrayLike | None = None) -> Draws:
    """Draw holdout, explorers and their arms, each with a salt of its own.

    Args:
        policy: Knows the shares and the salt.
        unit_ids: n ids.
        eligible: Whether the unit may get treatment 1..K, shape (n, K); None: all may.
    """
    prefix = f"{policy.salt}:{policy.campaign_id}:"

    def uniforms(purpose: str) -> Matrix:
        return hash_uniforms(unit_ids, prefix + purpose)

    is_held_out = uniforms("holdout") < policy.holdout_share
    is_explorer = uniforms("exploration") < policy.exploration_share
    allowed = _allowed(policy, len(unit_ids), eligible)
    nth = (uniforms("exploration_arm") * allowed.sum(axis=1)).astype(np.intp) + 1
    return Draws(
        is_held_out=is_held_out,
        is_explorer=is_explorer & ~is_held_out,
        explored_arm=(allowed.cumsum(axis=1) >= nth[:, None]).argmax(axis=1),
        tie=tie_draws(unit_ids, prefix + "tie"),
    )


def decide(
    policy: Policy,
    unit_ids: Sequence[str],
    expected_conversion: npt.ArrayLike,
    expected_revenue: npt.ArrayLike | None,
    contactable: npt.ArrayLike,
    *,
    eligible: npt.ArrayLike | None = None,
    groups: Groups | None = None,
    standard_error: Mapping[str, npt.ArrayLike | None] | None = None,
) -> Decisions:
    """Decide for each unit, in this order: permission, holdout, exploration, net value.

    Whoever may get no arm at all is closed to chance too. Segment, best arm and priority describe
    the customer and do not depend on what may be sent.

    Args:
        policy: The priced rule; it must belong to the model, see ``Policy.require_model``.
        unit_ids: n ids.
        expected_conversion: Chance of converting in arms 0..K, shape (n, K + 1).
        expected_revenue: Euro in arms 0..K, or None where it is not modelled.
        contactable: Whether anything may be sent at all, shape (n,).
        eligible: Whether the unit may get treatment 1..K, shape (n, K): suppression list, frequency
            cap, exclusive campaigns, the arms of a request; None: all may.
        groups: Value of ``policy.group_attribute`` per unit; a group unknown to the policy, and
            None, neither pays nor is paid for.
        standard_error: By outcome, of each unit's effects, shape (n, K), where the model knows; for
            the evidence alone.
    """
    allowed = _allowed(policy, len(unit_ids), eligible)
    appraisal = appraise(
        expected_conversion,
        expected_revenue,
        value=policy.value,
        sure_thing_conversion=policy.sure_thing_conversion,
        harm_tolerance=policy.harm_tolerance,
        intervals=policy.intervals,
        standard_error=standard_error,
    )
    draws = draw(policy, unit_ids, eligible)

    def choose(tie: Matrix, arms: Booleans | None) -> ArmNumbers:
        return policy.prices.choose(
            appraisal.gain, appraisal.cost, tie, eligible=arms, groups=groups
        )

    choice = choose(draws.tie, allowed[:, 1:])
    unrestricted = choice if eligible is None else choose(draws.tie, None)
    may_contact = np.asarray(contactable, dtype=np.bool_)
    is_closed = ~may_contact | ~allowed[:, 1:].any(axis=1)
    # from the last step to the first: each line overrules those above it
    arm = choice.copy()
    arm[draws.is_explorer] = draws.explored_arm[draws.is_explorer]
    arm[draws.is_held_out | is_closed] = CONTROL
    reason = appraisal.segment.astype(_REASON)
    reason[appraisal.segment == PERSUADABLE] = BELOW_THRESHOLD
    reason[unrestricted != CONTROL] = NOT_ELIGIBLE
    reason[choice != CONTROL] = NET_VALUE
    reason[draws.is_explorer] = EXPLORATION
    reason[draws.is_held_out] = HOLDOUT
    reason[is_closed] = NOT_ELIGIBLE
    reason[~may_contact] = NOT_CONTACTABLE
    row = np.arange(len(arm))
    chosen = np.zeros(allowed.shape)  # chance of being the choice, over all draws of ties
    strata = policy.prices.strata()
    for tie, share in strata:
        in_stratum = choice if len(strata) == 1 else choose(np.full(len(arm), tie), allowed[:, 1:])
        chosen[row, in_stratum] += share
    propensities = _propensities(policy, chosen, is_closed, allowed)
    return Decisions(
        arm=arm,
        reason=reason,
        propensity=propensities[row, arm],
        propensities=propensities,
        segment=appraisal.segment,
        gain=appraisal.gain,
        cost=appraisal.cost,
        best_arm=appraisal.best_arm,
        priority=appraisal.priority,
        evidence=appraisal.evidence,
        arm_evidence=appraisal.arm_evidence,
        persuadable_low=appraisal.persuadable_low,
        persuadable_high=appraisal.persuadable_high,
    )


def _propensities(policy: Policy, chosen: Matrix, is_closed: Booleans, allowed: Booleans) -> Matrix:
    """Chance of every arm over all salts, shape (n, K + 1)."""
    control = np.eye(len(policy.arms.names))[CONTROL]
    explored, held_out = policy.exploration_share, policy.holdout_share
    at_random = explored / allowed.sum(axis=1, keepdims=True) * allowed
    targeted = at_random + (1.0 - explored) * chosen
    mixed: Matrix = (1.0 - held_out) * targeted + held_out * control
    mixed[is_closed] = control
    return mixed


def _allowed(policy: Policy, n: int, eligible: npt.ArrayLike | None) -> Booleans:
    """Whether the unit may get arm 0..K, shape (n, K + 1); control it always may."""
    shape = (n, policy.arms.n_treatments)
    allowed = np.ones((n, shape[1] + 1), dtype=np.bool_)
    if eligible is not None:
        given = np.asarray(eligible, dtype=np.bool_)
        if given.shape != shape:
            raise ContractError(
                f"eligible has shape {given.shape} for {n} units and {shape[1]} treatments; "
                f"give {shape}, one column for each of {list(policy.arms.treatments)}."
            )
        allowed[:, 1:] = given
    return allowed
