import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uplift.errors import OverlapError
from uplift.experiment.overlap import (
    EDGES,
    check_overlap,
    crump_limit,
    is_kept,
    lowest_chance,
    overlap_counts,
    population_shift,
    trim,
    trimming_limit,
)


def two_arms(chance) -> np.ndarray:
    chance = np.asarray(chance, dtype=float)
    return np.column_stack([1.0 - chance, chance])


def test_chances_are_counted_by_arm_and_bin():
    counts = overlap_counts(two_arms([0.005, 0.5, 0.5, 1.0]), np.array([0, 0, 1, 1]), floor=0.01)
    assert counts.n.tolist() == [2, 2]
    middle = int(np.searchsorted(EDGES, 0.5, side="right")) - 1
    assert counts.histogram[0, 1, [0, middle]].tolist() == [1, 1]
    assert counts.histogram[1, 1, [middle, -1]].tolist() == [1, 1]
    assert counts.n_below_floor.tolist() == [[0, 1], [1, 0]]
    assert counts.share_below_floor.tolist() == [0.25, 0.25]


def test_the_parts_of_a_log_add_up_to_the_whole():
    generator = np.random.default_rng(1)
    chances = generator.dirichlet([1, 2, 3], size=300)
    arm = generator.integers(0, 3, size=300)
    whole = overlap_counts(chances, arm, floor=0.05)
    parts = [overlap_counts(chances[i::3], arm[i::3], floor=0.05) for i in range(3)]
    total = parts[0] + parts[1] + parts[2]
    assert np.array_equal(total.histogram, whole.histogram)
    assert np.array_equal(total.n_below_floor, whole.n_below_floor)
    assert total.effective_sample_size == pytest.approx(whole.effective_sample_size)


def test_equal_weights_waste_nobody_and_a_giant_among_them_nearly_all():
    equal = overlap_counts(two_arms([0.5] * 10), np.array([0, 1] * 5), floor=0.0)
    assert equal.effective_sample_size == pytest.approx([5.0, 5.0])
    # weights 1.25 x 9 and 100: 111.25^2 / (14.0625 + 10000)
    skewed = overlap_counts(two_arms([0.8] * 9 + [0.01]), np.ones(10, dtype=int), floor=0.0)
    assert skewed.effective_sample_size == pytest.approx([0.0, 111.25**2 / 10014.0625])


def test_a_feature_that_decides_the_arm_leaves_nobody_to_compare():
    arm = np.repeat([0, 1], 50)
    with pytest.raises(
        OverlapError, match=r"of the units in arm 1 only 0 of 50 .*`features`.*propensity_floor"
    ):
        check_overlap(two_arms(arm.astype(float)), arm, floor=0.01)


def test_some_overlap_is_enough_to_go_on():
    arm = np.repeat([0, 1], 50)
    chance = np.where(np.arange(100) % 4 == 0, 0.5, arm)
    check_overlap(two_arms(chance), arm, floor=0.01)


def test_the_floor_leaves_out_units_with_a_chance_below_it():
    arm = np.array([0, 0, 1, 1])
    trimming = trim(two_arms([0.05, 0.5, 0.5, 0.95]), arm, rule="floor", floor=0.1)
    assert trimming.keep.tolist() == [False, True, True, False]
    assert trimming.n_trimmed.tolist() == [1, 1]
    assert trimming.lowest_chance == 0.1


def test_nobody_is_left_out_without_a_rule():
    assert trim(two_arms([0.001, 0.999]), np.array([0, 1]), rule="none", floor=0.1).keep.all()


def test_chances_that_are_uniform_are_cut_where_crump_and_colleagues_cut_them():
    # With e uniform on (0, 1) the optimum solves 1/(a(1-a)) = 2 E[1/(e(1-e)) | a < e < 1-a];
    # the mean is 2 ln((1-a)/a) / (1-2a).
    chance = (np.arange(200_000) + 0.5) / 200_000
    found = lowest_chance(crump_limit(two_arms(chance)), 2)
    difference = 1 / (found * (1 - found)) - 4 * np.log((1 - found) / found) / (1 - 2 * found)
    assert found == pytest.approx(0.1, abs=0.02)  # their rule of thumb
    assert abs(difference) < 1e-3


def test_a_log_with_good_overlap_is_not_cut():
    chances = two_arms(np.linspace(0.3, 0.7, 101))
    assert is_kept(chances, rule="crump", limit=crump_limit(chances)).all()


@given(st.lists(st.floats(0.001, 0.999), min_size=1, max_size=60))
def test_the_cut_has_the_smallest_variance_of_all_cuts(chance):
    difficulty = (1.0 / two_arms(chance)).sum(axis=1)

    def variance(limit):
        kept = difficulty[difficulty <= limit]
        return kept.sum() / kept.size**2

    best = min(variance(limit) for limit in difficulty)
    assert variance(crump_limit(two_arms(chance))) == pytest.approx(best)


def test_the_limit_of_a_sample_judges_every_row_alone():
    generator = np.random.default_rng(2)
    chances = generator.dirichlet([1, 1, 1], size=200)
    arm = generator.integers(0, 3, size=200)
    for rule in ("none", "floor", "crump"):
        limit = trimming_limit(chances, rule=rule, floor=0.1)
        alone = [bool(is_kept(row[None], rule=rule, limit=limit)[0]) for row in chances]
        assert alone == trim(chances, arm, rule=rule, floor=0.1).keep.tolist()


def test_the_lowest_chance_of_three_arms_is_reached_and_not_passed():
    e = 0.05
    difficulty = 1 / e + 2 / ((1 - e) / 2)
    assert lowest_chance(difficulty, 3) == pytest.approx(e)


def test_the_shift_is_in_standard_deviations_of_everybody():
    features = np.column_stack([[0.0, 0, 2, 2], np.ones(4), [np.nan, np.nan, np.nan, np.nan]])
    shift = population_shift(features, np.array([False, False, True, True]))
    assert shift.tolist() == [1.0, 0.0, 0.0]
