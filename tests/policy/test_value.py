import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.isotonic import isotonic_regression

from tests.conftest import ROOT
from tests.policy.builders import PRICES
from uplift.config import load_config
from uplift.errors import BudgetError, ContractError, VersionMismatchError
from uplift.policy.value import ValueRule, expected_by_arm, gain_and_cost, value_rule

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


@pytest.mark.parametrize("amiss", [math.nan, math.inf])
def test_effects_that_are_no_numbers_are_refused(amiss):
    with pytest.raises(ContractError, match=r"expected_conversion .* for 1 of 2 units"):
        gain_and_cost([[0.1, 0.2, amiss], [0.1, 0.2, 0.3]], None, value=PRICES)


def test_a_harmed_customer_costs_more_than_the_margin_and_a_won_one_no_more():
    harsh = replace(PRICES, harm_cost_eur=100.0)
    gain, _ = gain_and_cost([[0.5, 0.25, 0.75]], None, value=harsh)
    assert gain.tolist() == [[-0.25 * 130.0, 0.25 * 30.0]]


def test_on_revenue_harm_still_follows_conversion():
    harsh = replace(REVENUE, harm_cost_eur=100.0)
    gain, _ = gain_and_cost([[0.5, 0.25, 0.75]], [[1.0, 2.0, 2.0]], value=harsh)
    assert gain.tolist() == [[0.5 - 25.0, 0.5]]


RISING = replace(PRICES, face_value_order=(2, 1))


def test_a_dearer_coupon_brings_no_less_if_that_is_assumed():
    """Arm 2 is worth less than arm 1 here; where they cross, both get their average."""
    found = expected_by_arm("x", [[0.9, 0.2, 0.4], [0.9, 0.4, 0.2]], RISING)
    np.testing.assert_allclose(found, [[0.9, 0.3, 0.3], [0.9, 0.4, 0.2]], rtol=1e-12)
    gain, cost = gain_and_cost([[0.1, 0.2, 0.4]], None, value=RISING)
    np.testing.assert_allclose(gain, [[6.0, 6.0]])
    np.testing.assert_allclose(cost, [[1.6, 3.1]])


FIVE = ValueRule("conversion", 1.0, 0.0, (0.0,) * 5, (0.0,) * 5, face_value_order=(1, 2, 3, 4, 5))


@given(rows=arrays(float, (4, 6), elements=st.floats(0.0, 1.0)))
def test_rows_are_the_isotonic_regression_of_another_library(rows):
    found = expected_by_arm("x", rows, FIVE)
    assert found[:, 0].tolist() == rows[:, 0].tolist()
    for row, ours in zip(rows, found, strict=True):
        np.testing.assert_allclose(ours[1:], isotonic_regression(row[1:]), atol=1e-12)


def test_the_order_of_face_values_comes_from_the_campaign():
    config = load_config(
        [ROOT / Path("conf/base.yaml"), ROOT / Path("conf/campaigns/coupon.yaml")],
        ["campaign.value.monotone_response=true", "campaign.value.harm_cost_eur=7"],
    )
    found = value_rule(config.campaign)
    assert (found.face_value_order, found.harm_cost_eur) == ((1, 2), 7.0)


def test_an_order_that_forgets_a_coupon_is_refused():
    with pytest.raises(BudgetError, match="does not name each of 2 treatments"):
        replace(PRICES, face_value_order=(1, 1))
