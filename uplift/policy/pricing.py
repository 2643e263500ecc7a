"""A policy at the prices at which its budget, its caps and its groups' shares hold."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from uplift.policy.contenders import Contenders
from uplift.policy.cuts import FINE_SHIFT, Integers
from uplift.policy.lagrange import solve
from uplift.policy.limits import Limit, Survey, budget_limit
from uplift.policy.prices import Prices
from uplift.policy.published import Policy
from uplift.policy.value import Matrix


@dataclass(frozen=True)
class GroupShare:
    """Which share of a group's customers may, or must, be sent a coupon.

    Customers who may get nothing and those held out do not count.
    """

    least: float = 0.0
    most: float = 1.0


@dataclass(frozen=True)
class Priced:
    """A policy that keeps its limits.

    Attributes:
        policy: At its prices.
        duality_gap_eur: By how much net value any other allocation could be better, at most.
    """

    policy: Policy
    duality_gap_eur: float


def price(
    policy: Policy,
    survey: Survey,
    *,
    caps: Mapping[str, int] | None = None,
    shares: Mapping[str, GroupShare] | None = None,
) -> Priced:
    """The policy at prices that keep its limits, whoever is asked, in any order.

    Args:
        policy: Its budget is one of the limits; its prices are replaced.
        survey: Asks the ``contenders`` of this policy.
        caps: Most coupons of an arm, by its name.
        shares: By group, a value of ``policy.group_attribute``.

    Raises:
        BudgetError: Exploration alone breaks a limit, or the limits contradict each other.
        ContractError: A cap is for an unknown arm.
    """
    limits = _limits(policy, survey, caps or {}, shares or {})
    if not limits:
        return Priced(policy.at(Prices()), 0.0)
    found = solve(limits, survey, policy.arms.n_treatments)
    return Priced(policy.at(found.prices), found.duality_gap_eur)


def _limits(
    policy: Policy, survey: Survey, caps: Mapping[str, int], shares: Mapping[str, GroupShare]
) -> tuple[Limit, ...]:
    """The budget last: whatever the others' prices, not a cent more is spent."""
    capped = [
        Limit(f"policy.max_coupons.{name}", most=most, arm=policy.arms.number_of(name))
        for name, most in caps.items()
    ]
    grouped = [_of_group(name, share, survey) for name, share in shares.items()]
    budget = [] if policy.budget_eur is None else [budget_limit(policy.budget_eur)]
    return (*capped, *grouped, *budget)


def _of_group(name: str, share: GroupShare, survey: Survey) -> Limit:
    def members(customers: Contenders) -> tuple[Matrix, Integers]:
        n = ((customers.group == name) & customers.counts).sum(keepdims=True)
        return np.zeros(1), n.astype(np.int64)

    n = int(survey(members)(FINE_SHIFT, None).weight.sum())
    return Limit(
        f"policy.groups.shares.{name}",
        most=None if share.most >= 1.0 else math.floor(n * share.most + 1e-9),
        least=math.ceil(n * share.least - 1e-9),
        group=name,
    )
