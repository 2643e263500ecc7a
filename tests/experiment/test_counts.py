import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from uplift.experiment.counts import (
    MOST_LEVELS,
    arm_counts,
    chance_imbalance,
    difference_in_means,
    level_counts,
    sample_ratio_mismatch,
    standardized_mean_difference,
)

ARMS = {"No E-Mail": 0, "Mens E-Mail": 1, "Womens E-Mail": 2}
NUMERIC = ("recency", "history", "mens", "womens", "newbie")


@pytest.fixture(scope="module")
def rows(hillstrom):
    return pd.read_csv(hillstrom)


def test_hillstroms_arm_sizes_fit_equal_shares(rows):
    n = rows["segment"].map(ARMS).value_counts(sort=False).sort_index()

    chi2, degrees, p_value = sample_ratio_mismatch(n, [1, 1, 1])

    assert (round(chi2, 6), degrees) == (0.202531, 2)
    assert p_value == pytest.approx(stats.chisquare(n).pvalue, rel=1e-12)


def test_hillstroms_largest_difference_over_eleven_dummies_is_as_published(rows):
    counts = arm_counts(
        rows["segment"].map(ARMS),
        {name: rows[name] for name in NUMERIC},
        {name: rows[name].tolist() for name in ("zip_code", "channel")},
        n_arms=3,
    )

    difference = standardized_mean_difference(counts)

    assert difference.shape == (2, 11)
    assert round(float(np.abs(difference).max()), 5) == 0.01366


def test_hillstroms_effects_have_the_published_welch_errors(rows):
    outcomes = {name: rows[name] for name in ("visit", "conversion", "spend")}

    effects = difference_in_means(arm_counts(rows["segment"].map(ARMS), outcomes, n_arms=3))

    assert effects.difference.round(6).tolist() == [
        [0.076590, 0.006805, 0.769827],
        [0.045233, 0.003111, 0.424412],
    ]
    assert effects.standard_error.round(6).tolist() == [
        [0.003386, 0.000921, 0.145247],
        [0.003234, 0.000823, 0.130333],
    ]


def test_the_difference_is_in_units_of_the_pooled_spread():
    # variances 2 and 8, means 1 and 4: 3 / sqrt(5)
    counts = arm_counts([0, 0, 1, 1], {"age": [0, 2, 2, 6]}, n_arms=2)
    assert standardized_mean_difference(counts).tolist() == [[pytest.approx(3 / 5**0.5)]]


def test_a_constant_feature_is_balanced_and_a_feature_that_is_the_arm_is_infinitely_off():
    counts = arm_counts([0, 0, 1, 1], {"one": [1] * 4, "arm": [0, 0, 1, 1]}, n_arms=2)
    assert standardized_mean_difference(counts).tolist() == [[0.0, np.inf]]


def test_missing_values_are_left_out_of_the_mean_and_compared_on_their_own():
    counts = arm_counts([0, 0, 1, 1], {"age": [1, 3, 2, np.nan]}, n_arms=2)
    assert counts.columns == ("age", "age is missing")
    assert counts.mean.tolist() == [[2.0, 0.0], [2.0, 0.5]]


def test_an_arm_without_any_value_differs_in_missingness_only():
    counts = arm_counts([0, 0, 1, 1], {"age": [1, 3, np.nan, np.nan]}, n_arms=2)
    assert standardized_mean_difference(counts).tolist() == [[0.0, np.inf]]


def test_levels_are_shares_of_all_units_and_missing_is_one_of_them():
    counts = arm_counts([0, 0, 1, 1], {}, {"zip": ["a", None, "b", "a"]}, n_arms=2)
    assert counts.columns == ("zip is 'a'", "zip is 'b'", "zip is missing")
    assert counts.mean.tolist() == [[0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
    by_hand = arm_counts([0, 0, 1, 1], {"zip is 'a'": [1, 0, 0, 1]}, n_arms=2)
    assert counts.variance[:, 0] == pytest.approx(by_hand.variance[:, 0])


def test_small_levels_of_a_large_categorical_share_one_column():
    tally = {f"z{i:03d}": np.array([i + 1, i + 1]) for i in range(MOST_LEVELS + 2)}
    n = np.sum(list(tally.values()), axis=0)

    counts = level_counts("zip", tally, n)

    assert len(counts.columns) == MOST_LEVELS + 1
    assert counts.columns[0] == "zip is 'z002'"
    assert counts.columns[-1] == "zip is another level"
    assert counts.total[:, -1].tolist() == [3, 3]


def test_a_small_spread_around_a_large_mean_survives():
    year = np.array([2e9, 2e9 + 1, 2e9 + 2])
    counts = arm_counts([0] * 3 + [1] * 3, {"born": [*year, *(year + 1)]}, n_arms=2)
    assert standardized_mean_difference(counts)[0, 0] == pytest.approx(1.0)


@given(
    st.lists(st.integers(1, 500), min_size=2, max_size=5),
    st.floats(0.1, 10.0),
)
def test_arm_sizes_in_the_planned_ratio_are_no_surprise(n, scale):
    planned = np.array(n) * scale
    chi2, _, p_value = sample_ratio_mismatch(n, planned)
    assert chi2 == pytest.approx(0.0, abs=1e-9)
    assert p_value == pytest.approx(1.0)


@pytest.mark.slow
def test_chance_exceeds_its_own_bound_as_rarely_as_promised():
    # 2,000 experiments without any effect of the draw, 5 features: p = 0.05, tolerance 4 SE
    generator = np.random.default_rng(3)
    exceeded = 0
    for _ in range(2000):
        arm = generator.integers(0, 2, size=200)
        features = {str(c): generator.normal(size=200) for c in range(5)}
        counts = arm_counts(arm, features, n_arms=2)
        bound = chance_imbalance(counts, 0.05)[:, None]
        exceeded += bool(np.any(np.abs(standardized_mean_difference(counts)) > bound))
    assert abs(exceeded / 2000 - 0.05) < 4 * (0.05 * 0.95 / 2000) ** 0.5
