import pytest

from uplift.policy.segments import SEGMENTS, assign_segments


def segment(expected_conversion, best_net_value):
    """Sure from 0.2 on; up to 0.01 of harm is noise."""
    (name,) = assign_segments(
        [expected_conversion],
        [best_net_value],
        sure_thing_conversion=0.2,
        harm_tolerance=0.01,
    ).tolist()
    return name


@pytest.mark.parametrize(
    ("expected_conversion", "best_net_value", "name"),
    [
        ([0.1, 0.5], 0.01, "persuadable"),
        ([0.9, 0.95], 0.01, "persuadable"),
        ([0.5, 0.4], 0.01, "persuadable"),  # converts less often, but spends more
        ([0.1, 0.5], 0.0, "lost_cause"),  # the coupon works and does not pay
        ([0.2, 0.5], -1.0, "sure_thing"),
        ([0.19, 0.19], -1.0, "lost_cause"),
        ([0.5, 0.48], -1.0, "sleeping_dog"),
        ([0.05, 0.03], -1.0, "sleeping_dog"),
        ([0.5, 0.495], -1.0, "sure_thing"),  # harm within the noise
    ],
)
def test_one_coupon_names_each_segment(expected_conversion, best_net_value, name):
    assert segment(expected_conversion, best_net_value) == name


def test_a_sleeping_dog_is_harmed_even_by_the_kindest_coupon():
    assert segment([0.5, 0.3, 0.4], -1.0) == "sleeping_dog"
    assert segment([0.5, 0.3, 0.5], -1.0) == "sure_thing"


def test_every_name_is_known():
    grid = [0.0, 0.1, 0.2, 0.3]
    names = {segment([a, b], net) for a in grid for b in grid for net in (-1.0, 1.0)}
    assert names == set(SEGMENTS)
