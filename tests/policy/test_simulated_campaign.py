"""What policies really earn, where the truth is known: ours against what people do without one.

An experiment of 30,000 teaches a linear model per arm; all policies have the same predictions, the
same budget, and 30,000 other customers, on whose true chances they are judged.
"""

import numpy as np
import pytest

from tests.policy.builders import PRICES, policy
from uplift.policy.contenders import contenders
from uplift.policy.limits import in_memory
from uplift.policy.pricing import price
from uplift.policy.value import gain_and_cost

N, BUDGET = 30_000, 12_000.0
RNG = np.random.default_rng(21)


def truth(features):
    """Chances in arms 0..2. Some convert anyway, some are persuaded, some are put off."""
    a, b, c = features.T
    control = 0.05 + 0.35 * a
    effect = 0.25 * b * (1.0 - a) - 0.08 * (c > 0.8)
    return np.clip(np.column_stack([control, control + effect, control + 1.4 * effect]), 0.01, 0.99)


def basis(features):
    a, b, c = features.T
    return np.column_stack([np.ones(len(a)), a, b, c, a * b, c > 0.8])


def predictions():
    """Of a model of the experiment, for customers it has not seen; and their truth."""
    seen, new = RNG.random((N, 3)), RNG.random((N, 3))
    arm, chances = RNG.integers(0, 3, N), truth(seen)
    converts = RNG.random(N) < chances[np.arange(N), arm]
    fits = [
        np.linalg.lstsq(basis(seen[arm == k]), converts[arm == k].astype(float), rcond=None)[0]
        for k in range(3)
    ]
    return np.clip(basis(new) @ np.array(fits).T, 0.0, 1.0), truth(new)


PREDICTED, TRUE = predictions()
GAIN, COST = gain_and_cost(PREDICTED, None, value=PRICES)
TRUE_GAIN, TRUE_COST = gain_and_cost(TRUE, None, value=PRICES)
EVERYBODY = np.arange(N)


def earned(arm):
    """True profit of each customer, euro."""
    return np.column_stack([np.zeros(N), TRUE_GAIN - TRUE_COST])[EVERYBODY, arm]


def until_the_money_is_spent(order, arm):
    """Serve customers in this order."""
    cost = np.column_stack([np.zeros(N), COST])[order, arm[order]]
    served = order[cost.cumsum() <= BUDGET]
    decided = np.zeros(N, dtype=int)
    decided[served] = arm[served]
    return decided


def ours():
    asked = contenders(
        policy(budget_eur=BUDGET), [f"u{i}" for i in range(N)], PREDICTED, None, np.ones(N)
    )
    return asked.arms_at(price(policy(budget_eur=BUDGET), in_memory(asked)).policy.prices)


def everybody(arm):
    return until_the_money_is_spent(RNG.permutation(N), np.full(N, arm))


def top_by_uplift():
    """The coupon of the largest effect, largest effects first, as long as they help."""
    effect = PREDICTED[:, 1:] - PREDICTED[:, :1]
    arm = np.where(effect.max(axis=1) > 0.0, effect.argmax(axis=1) + 1, 0)
    return until_the_money_is_spent(np.argsort(-effect.max(axis=1)), arm)


def top_by_response(arm):
    """Who is likeliest to buy gets the coupon."""
    return until_the_money_is_spent(np.argsort(-PREDICTED[:, arm]), np.full(N, arm))


RIVALS = {
    "coupon_5 for everybody": lambda: everybody(1),
    "coupon_10 for everybody": lambda: everybody(2),
    "largest uplift": top_by_uplift,
    "likeliest to buy, coupon_5": lambda: top_by_response(1),
    "likeliest to buy, coupon_10": lambda: top_by_response(2),
    "nobody": lambda: np.zeros(N, dtype=int),
}


@pytest.mark.parametrize("rival", RIVALS)
def test_the_policy_earns_more_than_rules_of_thumb_with_the_same_predictions(rival):
    """The whole 99.9 % interval over customers lies above 0."""
    difference = earned(ours()) - earned(RIVALS[rival]())
    standard_error = difference.std() / np.sqrt(N)
    assert difference.mean() > 3.3 * standard_error


def test_the_policy_earns_most_of_what_one_who_knows_the_truth_would_within_the_budget():
    rule = policy(budget_eur=BUDGET)
    knows = contenders(rule, [f"u{i}" for i in range(N)], TRUE, None, np.ones(N))
    oracle = earned(knows.arms_at(price(rule, in_memory(knows)).policy.prices)).sum()
    mine = ours()
    assert np.column_stack([np.zeros(N), COST])[EVERYBODY, mine].sum() <= BUDGET
    assert 0.85 * oracle < earned(mine).sum() <= oracle * 1.02
