import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uplift.errors import ContractError
from uplift.policy.types import Observed, PayOffs, benefit, type_shares

# Hillstrom, visits: all mens e-mails, all womens e-mails, no e-mail
NO_EMAIL, MENS, WOMENS = 2262 / 21306, 3894 / 21307, 3238 / 21387
EFFECT = PayOffs(persuadable=1.0, sure_thing=0.0, lost_cause=0.0, sleeping_dog=-1.0)
CHURN = PayOffs(persuadable=100.0, sure_thing=-60.0, lost_cause=0.0, sleeping_dog=-140.0)
SHARE = st.floats(0.0, 1.0)


@pytest.mark.parametrize(
    ("email", "persuadable", "lost_cause"),
    [
        (MENS, (0.076590, 0.182757), (0.711076, 0.817243)),
        (WOMENS, (0.045233, 0.151400), (0.742432, 0.848600)),
    ],
)
def test_hillstroms_types_have_the_published_bounds(email, persuadable, lost_cause):
    found = {name: (b.low, b.high) for name, b in type_shares(email, NO_EMAIL).items()}
    same = {"abs": 5e-7}
    assert found["persuadable"] == pytest.approx(persuadable, **same)
    assert found["lost_cause"] == pytest.approx(lost_cause, **same)
    assert found["sure_thing"] == pytest.approx((0.0, 0.106167), **same)
    assert found["sleeping_dog"] == pytest.approx((0.0, 0.106167), **same)


@pytest.mark.parametrize(
    ("treated", "untreated", "low", "high"),
    [(262, 175, -5.142857, -0.114286), (87, 52, 1.085714, 4.057143)],
)
def test_lis_churn_discount_has_the_published_benefit(treated, untreated, low, high):
    """The first group has a positive effect, and no discount could ever pay."""
    found = benefit(treated / 350, untreated / 350, CHURN)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-7)


def test_paid_by_the_effect_the_benefit_is_the_effect():
    found = benefit([0.3], [0.1], EFFECT)
    assert (found.low, found.high) == pytest.approx((0.2, 0.2))


@given(
    persuadable=SHARE, sure_thing=SHARE, sleeping_dog=SHARE, pay=st.tuples(*[st.floats(-9, 9)] * 4)
)
def test_any_population_lies_within_the_bounds_it_shows(persuadable, sure_thing, sleeping_dog, pay):
    whole = persuadable + sure_thing + sleeping_dog + 1.0
    shares = np.array([persuadable, sure_thing, 1.0, sleeping_dog]) / whole
    p1, p0 = shares[0] + shares[1], shares[1] + shares[3]
    for share, bounds in zip(shares, type_shares(p1, p0).values(), strict=True):
        assert bounds.low - 1e-12 <= share <= bounds.high + 1e-12
    found = benefit(p1, p0, PayOffs(*pay))
    assert found.low - 1e-9 <= shares @ pay <= found.high + 1e-9


@given(p1=SHARE, p0=SHARE)
def test_the_bounds_are_reached_by_a_population(p1, p0):
    """With as few persuadables as can be, and with as many, the four shares add up to 1."""
    found = type_shares(p1, p0)
    for persuadable, sure_thing in (("low", "high"), ("high", "low")):
        shares = [
            getattr(found["persuadable"], persuadable),
            getattr(found["sleeping_dog"], persuadable),
            getattr(found["sure_thing"], sure_thing),
            getattr(found["lost_cause"], sure_thing),
        ]
        assert min(shares) >= 0.0
        assert sum(shares) == pytest.approx(1.0)
        assert shares[0] + shares[2] == pytest.approx(p1)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(ContractError, match=r"untreated holds .* \(1 of 2 groups\)"):
        type_shares([0.5, 0.5], [0.5, share])


def population(shares, chooses):
    """Conversions under treatment and without, and free choices, of eight kinds of customers.

    ``shares`` of persuadable, sure thing, lost cause, sleeping dog; ``chooses``, of each the share
    that takes the treatment of its own accord.
    """
    shares, chooses = np.array(shares) / sum(shares), np.array(chooses)
    if_treated, if_not = np.array([1, 1, 0, 0]), np.array([0, 1, 0, 1])
    taken, left = shares * chooses, shares * (1.0 - chooses)
    observed = Observed(
        taken @ if_treated, taken @ (1 - if_treated), left @ if_not, left @ (1 - if_not)
    )
    return shares, shares @ if_treated, shares @ if_not, observed


POSITIVE = st.floats(0.01, 1.0)


@given(shares=st.tuples(*[POSITIVE] * 4), chooses=st.tuples(*[SHARE] * 4))
def test_what_customers_choose_freely_tightens_the_bounds_and_keeps_the_truth(shares, chooses):
    truth, p1, p0, observed = population(shares, chooses)
    alone, both = type_shares(p1, p0), type_shares(p1, p0, observed=observed)
    for share, name in zip(truth, alone, strict=True):
        assert both[name].low - 1e-9 <= share <= both[name].high + 1e-9
        assert both[name].low >= alone[name].low - 1e-9
        assert both[name].high <= alone[name].high + 1e-9


def test_choices_can_settle_what_the_experiment_leaves_open():
    """All persuadables take the treatment, all sleeping dogs leave it: nobody is misjudged."""
    _, p1, p0, observed = population([0.3, 0.2, 0.4, 0.1], [1.0, 1.0, 0.0, 0.0])
    found = type_shares(p1, p0, observed=observed)["persuadable"]
    assert (found.low, found.high) == pytest.approx((0.3, 0.3))
    alone = type_shares(p1, p0)["persuadable"]
    assert (alone.low, alone.high) == pytest.approx((0.2, 0.5))


@given(persuadable=SHARE, sure_thing=SHARE)
def test_if_nobody_is_harmed_the_shares_are_known(persuadable, sure_thing):
    whole = persuadable + sure_thing + 1.0
    p1, p0 = (persuadable + sure_thing) / whole, sure_thing / whole
    found = type_shares(p1, p0, monotone=True)
    truth = (persuadable / whole, sure_thing / whole, 1.0 / whole, 0.0)
    for bounds, share in zip(found.values(), truth, strict=True):
        assert (bounds.low, bounds.high) == pytest.approx((share, share), abs=1e-9)


def test_harm_that_was_measured_contradicts_monotonicity():
    found = type_shares([0.3, 0.1], [0.1, 0.3], monotone=True)["persuadable"]
    np.testing.assert_allclose(found.low, [0.2, np.nan])
    worth = benefit([0.3, 0.1], [0.1, 0.3], CHURN, monotone=True)
    assert np.isnan(worth.low).tolist() == [False, True]


def test_observed_shares_that_are_not_whole_are_refused():
    with pytest.raises(ContractError, match=r"add up to 0\.9"):
        type_shares(0.5, 0.5, observed=Observed(0.3, 0.2, 0.2, 0.2))
