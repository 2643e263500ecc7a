import math
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.policy.builders import PRICES
from uplift.config import load_config
from uplift.errors import BudgetError, ContractError, VersionMismatchError
from uplift.policy.value import ValueRule, gain_and_cost, value_rule

REVENUE = ValueRule("revenue", 30.0, 0.5, (0.1, 0.1), (5.0, 10.0))


def test_a_gain_is_the_margin_of_the_added_conversions():
    gain, _ = gain_and_cost([[0.25, 0.5, 0.125]], None, value=PRICES)
    assert gain.tolist() == [[7.5, -3.75]]


def test_a_sure_thing_costs_its_full_redemption_though_it_gains_nothing():
    gain, cost = gain_and_cost([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]], None, value=PRICES)
    assert gain.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert cost.tolist() == [[5.1, 10.1], [0.1, 0.1]]


def test_on_revenue_the_effect_is_in_euro_and_the_cost_still_follows_conversion():
    gain, cost = gain_and_cost([[0.5, 0.5, 0.5]], [[10.0, 14.0, 8.0]], value=REVENUE)
    assert gain.tolist() == [[2.0, -1.0]]
    assert cost.tolist() == [[2.6, 5.1]]


def test_revenue_that_nobody_modelled_is_a_clear_error():
    with pytest.raises(ContractError, match=r"basis.* is 'revenue'.* any of 1 units.*conversion"):
        gain_and_cost([[0.1, 0.2, 0.3]], None, value=REVENUE)


@pytest.mark.parametrize("shape", [[[0.1, 0.2]], [[0.1, 0.2, 0.3, 0.4]], [0.1, 0.2, 0.3]])
def test_expectations_for_other_arms_than_the_priced_ones_are_refused(shape):
    with pytest.raises(VersionMismatchError, match=r"prices are for 2 treatments.*campaign"):
        gain_and_cost(shape, None, value=PRICES)


@pytest.mark.parametrize("price", [-0.01, math.inf, math.nan])
def test_a_price_that_is_no_price_is_refused(price):
    with pytest.raises(BudgetError, match=r"1 of 5.*campaign\.treatments"):
        ValueRule("conversion", 30.0, 0.3, (0.1, 0.1), (5.0, price))


def test_every_treatment_has_both_prices():
    with pytest.raises(BudgetError, match="1 contact costs, but 2 redemption costs"):
        ValueRule("conversion", 30.0, 0.3, (0.1,), (5.0, 10.0))


def test_the_prices_are_those_of_the_campaign_in_its_order():
    config = load_config([ROOT / Path("conf/base.yaml"), ROOT / Path("conf/campaigns/coupon.yaml")])
    assert value_rule(config.campaign) == PRICES
