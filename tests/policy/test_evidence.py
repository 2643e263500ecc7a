import numpy as np
import pytest

from tests.policy.builders import PRICES, policy
from uplift.policy import decide
from uplift.policy.appraisal import appraise
from uplift.policy.evidence import EffectBins, EffectIntervals, weigh_evidence

BINS = EffectBins(edges=(0.0, 0.1), low=(-0.1, None, 0.1), high=(-0.02, None, 0.3))
KNOWN = EffectIntervals(0.95, {"conversion": (BINS, BINS)})


def test_an_effect_gets_the_interval_of_its_bin_and_the_edge_belongs_to_the_upper_one():
    low, high = BINS.interval(np.array([-0.5, 0.0, 0.09, 0.1, 0.9]))
    np.testing.assert_array_equal(low, [-0.1, np.nan, np.nan, 0.1, 0.1])
    np.testing.assert_array_equal(high, [-0.02, np.nan, np.nan, 0.3, 0.3])


def test_standard_errors_of_the_customer_go_before_the_bins():
    low, high = KNOWN.of("conversion", np.array([[0.2, 0.05]]), np.array([[0.1, 0.01]]))
    np.testing.assert_allclose(low, [[0.2 - 0.195996, 0.05 - 0.0195996]], atol=1e-6)
    np.testing.assert_allclose(high, [[0.2 + 0.195996, 0.05 + 0.0195996]], atol=1e-6)


@pytest.mark.parametrize(
    ("segment", "effect", "net_value", "evidence"),
    [
        ("persuadable", (0.1, 0.3), (0.1, 5.0), "strong"),
        ("persuadable", (0.1, 0.3), (-0.1, 5.0), "weak"),
        ("sleeping_dog", (-0.3, -0.1), (-9.0, -1.0), "strong"),
        ("sleeping_dog", (-0.3, 0.1), (-9.0, -1.0), "weak"),
        ("sure_thing", (-0.1, 0.1), (-9.0, 0.0), "strong"),
        ("lost_cause", (-0.1, 0.1), (-9.0, 0.1), "weak"),
        ("lost_cause", (np.nan, np.nan), (np.nan, np.nan), "weak"),
    ],
)
def test_evidence_is_strong_where_the_whole_interval_agrees(segment, effect, net_value, evidence):
    sides = [tuple(np.array([[bound]]) for bound in bounds) for bounds in (effect, net_value)]
    found, _ = weigh_evidence(np.array([segment]), *sides, np.array([0]))
    assert found.tolist() == [evidence]


def test_one_coupon_that_may_be_harmless_leaves_a_sleeping_dog_in_doubt():
    effect = np.array([[-0.3, -0.2]]), np.array([[-0.1, 0.01]])
    loss = np.array([[-9.0, -9.0]]), np.array([[-1.0, -1.0]])
    found, of_arm = weigh_evidence(np.array(["sleeping_dog"]), effect, loss, np.array([0]))
    assert (found.tolist(), of_arm.tolist()) == (["weak"], [["strong", "strong"]])


def test_a_segment_is_judged_by_its_best_coupon_and_each_arm_by_itself():
    """Bin of 0.2: an effect of at least 0.1, a margin of 3; coupon_5 costs 1.6, coupon_10 3.1."""
    found = appraise(
        [[0.1, 0.3, 0.3]],
        None,
        value=PRICES,
        sure_thing_conversion=0.2,
        harm_tolerance=0.0,
        intervals=KNOWN,
    )
    assert found.segment.tolist() == ["persuadable"]
    assert found.evidence.tolist() == ["strong"]
    assert found.arm_evidence.tolist() == [["strong", "weak"]]


def test_who_knows_nothing_claims_nothing():
    found = decide(policy(), ["ann"], [[0.1, 0.9, 0.9]], None, [True])
    assert (found.evidence.tolist(), found.arm_evidence.tolist()) == (["weak"], [["weak"] * 2])


def test_the_evidence_of_a_revenue_policy_weighs_revenue():
    revenue = policy(value=type(PRICES)("revenue", 0.0, 0.5, (0.1, 0.1), (0.0, 0.0)))
    sure = EffectBins((), (1.0,), (3.0,))
    known = EffectIntervals(0.95, {"revenue": (sure, sure)})
    asked = ["ann"], [[0.1, 0.1, 0.1]], [[5.0, 7.0, 6.0]], [True]
    assert decide(policy(value=revenue.value, intervals=known), *asked).evidence.tolist() == [
        "strong"
    ]
    assert decide(revenue, *asked).evidence.tolist() == ["weak"]


def test_the_chance_of_being_persuadable_is_bounded_by_the_two_conversions():
    found = decide(policy(), ["ann"], [[0.25, 0.75, 0.5]], None, [True])
    assert (found.persuadable_low.tolist(), found.persuadable_high.tolist()) == ([0.5], [0.75])
