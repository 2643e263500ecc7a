import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from uplift.policy.decision import choose_arm

EURO = st.floats(-50.0, 50.0)


def test_the_coupon_that_nets_most_goes_out():
    assert choose_arm(gain=[[3.0, 5.0], [3.0, 9.0]], cost=[[1.0, 4.0], [1.0, 4.0]]).tolist() == [
        1,
        2,
    ]


def test_a_tie_goes_to_control():
    assert choose_arm(gain=[[2.0]], cost=[[2.0]]).tolist() == [0]


def test_a_coupon_that_does_harm_never_goes_out_even_if_it_is_free():
    assert choose_arm(gain=[[-1.0, -0.5]], cost=[[0.0, 0.0]]).tolist() == [0]


@pytest.mark.parametrize(
    ("shadow_price", "arm"), [(0.0, 2), (0.9, 2), (1.1, 1), (4.9, 1), (5.1, 0)]
)
def test_a_dearer_budget_moves_a_unit_down_its_hull_and_then_out(shadow_price, arm):
    """Arm 1: 6 euro for 1. From there to arm 2: 4 more for 2 more."""
    assert choose_arm([[6.0, 10.0]], [[1.0, 3.0]], shadow_price=shadow_price).tolist() == [arm]


@given(
    gain=arrays(float, (4, 3), elements=EURO),
    cost=arrays(float, (4, 3), elements=st.floats(0.0, 50.0)),
    shadow_price=st.floats(0.0, 10.0),
)
def test_no_arm_nets_more_than_the_chosen_one(gain, cost, shadow_price):
    net = np.c_[np.zeros(4), gain - (1.0 + shadow_price) * cost]
    chosen = net[np.arange(4), choose_arm(gain, cost, shadow_price=shadow_price)]
    assert chosen.tolist() == net.max(axis=1).tolist()


@given(cost=arrays(float, (4, 3), elements=st.floats(0.0, 50.0)), price=st.floats(0.0, 10.0))
def test_a_higher_price_never_spends_more(cost, price):
    gain = 3.0 * np.sqrt(cost) + 1.0

    def spend(shadow_price):
        arm = choose_arm(gain, cost, shadow_price=shadow_price)
        return np.c_[np.zeros(4), cost][np.arange(4), arm]

    assert (spend(price + 0.5) <= spend(price)).all()
