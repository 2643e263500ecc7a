import numpy as np
import pytest
from scipy import stats

from uplift.experiment.clusters import average_effects, cluster_sums, smallest_detectable


def names(numbers: np.ndarray) -> list[str]:
    return [str(number) for number in numbers]


def test_units_drawn_one_by_one_have_welchs_error() -> None:
    generator = np.random.default_rng(1)
    arm = generator.integers(0, 2, 500)
    spend = 1e6 + generator.gamma(2.0, 10.0, 500)

    effects = average_effects(cluster_sums(arm, names(np.arange(500)), {"spend": spend}, n_arms=2))

    welch = stats.ttest_ind(spend[arm == 1], spend[arm == 0], equal_var=False)
    assert effects.difference[0, 0] == pytest.approx(
        spend[arm == 1].mean() - spend[arm == 0].mean()
    )
    t = effects.difference[0, 0] / effects.standard_error[0, 0]
    assert t == pytest.approx(welch.statistic, rel=1e-6)


def test_a_chance_that_is_the_same_for_all_changes_nothing() -> None:
    arm, spend = [0, 0, 0, 1, 1], {"spend": [1.0, 2.0, 6.0, 4.0, 9.0]}
    clusters = names(np.arange(5))
    plain = average_effects(cluster_sums(arm, clusters, spend, n_arms=2))
    chances = [0.6, 0.6, 0.6, 0.4, 0.4]
    weighted = average_effects(cluster_sums(arm, clusters, spend, propensity=chances, n_arms=2))
    np.testing.assert_allclose(weighted.difference, plain.difference, rtol=1e-12)
    np.testing.assert_allclose(weighted.standard_error, plain.standard_error, rtol=1e-12)


def test_uneven_chances_are_weighed() -> None:
    # control: (1 / .5 + 4 / .25) / (1 / .5 + 1 / .25) = 18 / 6
    sums = cluster_sums(
        [0, 0, 1], ["a", "b", "c"], {"y": [1, 4, 5]}, propensity=[0.5, 0.25, 0.5], n_arms=2
    )
    assert sums.mean.tolist() == [[3.0], [5.0]]
    assert np.isnan(sums.squared_error[1, 0])  # one unit has no spread


def test_a_missing_outcome_weighs_nothing() -> None:
    sums = cluster_sums([0, 0, 0], ["a", "b", "c"], {"y": [1.0, np.nan, 3.0]}, n_arms=1)
    assert sums.mean.tolist() == [[2.0]]


def test_an_outcome_that_never_varies_has_an_error_of_exactly_none() -> None:
    # whatever the rounding: twenty logs
    generator = np.random.default_rng(4)
    for _ in range(20):
        home = names(generator.integers(0, 40, 300))
        chance = generator.uniform(0.1, 0.9, 300)
        same = {"y": np.full(300, generator.uniform())}
        sums = cluster_sums(np.zeros(300), home, same, propensity=chance, n_arms=1)
        assert sums.squared_error.tolist() == [[0.0]]


def test_errors_by_household_are_the_spread_of_repeated_experiments() -> None:
    # 400 experiments, households of 4 that share most of their outcome; the spread of the effect
    # is known to 1 / sqrt(800) = 3.5 % (1 SE), tolerance 4 SE; Welch's error is half of it
    generator = np.random.default_rng(7)
    effects, by_household, welch = [], [], []
    home = np.repeat(np.arange(200), 4)
    for _ in range(400):
        arm = generator.integers(0, 2, 200)[home]
        outcome = generator.normal(size=200)[home] + 0.3 * generator.normal(size=800)
        found = average_effects(cluster_sums(arm, names(home), {"y": outcome}, n_arms=2))
        units = names(np.arange(800))
        plain = average_effects(cluster_sums(arm, units, {"y": outcome}, n_arms=2))
        effects.append(found.difference[0, 0])
        by_household.append(found.standard_error[0, 0])
        welch.append(plain.standard_error[0, 0])
    assert np.mean(by_household) == pytest.approx(np.std(effects), rel=4 * 800**-0.5)
    assert np.mean(welch) < 0.6 * np.std(effects)


def test_the_smallest_detectable_effect_is_found_four_times_out_of_five() -> None:
    # z = effect / error ~ N(2.8016, 1): 10,000 draws, tolerance 4 SE
    effect = float(smallest_detectable(np.array(1.0)))
    z = np.random.default_rng(3).normal(effect, 1.0, 10_000)
    assert np.mean(np.abs(z) > 1.959964) == pytest.approx(0.8, abs=4 * (0.16 / 10_000) ** 0.5)
