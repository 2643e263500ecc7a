"""The level holds whatever the model; real logs pass; planted faults are found and named."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from uplift.experiment.two_sample import (
    TwoSampleTest,
    auc_of,
    permutation_p_value,
    permutations_for,
    two_sample_tests,
)

Floats = npt.NDArray[np.float64]
NAMES = ("age", "tenure", "region", "basket")


def people(n: int, generator: np.random.Generator) -> Floats:
    """Two numbers, one with gaps; a region by number; a basket."""
    age = generator.normal(40.0, 12.0, n)
    tenure = np.where(generator.random(n) < 0.2, np.nan, generator.exponential(300.0, n))
    region = generator.integers(0, 5, n).astype(float)
    return np.column_stack([age, tenure, region, generator.gamma(2.0, 20.0, n)])


def run(
    features: Floats,
    arm: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    *,
    n_arms: int = 2,
    n_permutations: int = 3999,
    salt: str = "two-sample",
) -> tuple[TwoSampleTest, ...]:
    ids = np.arange(len(features)) if clusters is None else np.asarray(clusters)
    return two_sample_tests(
        features,
        arm,
        [str(number) for number in ids],
        names=NAMES[: features.shape[1]],
        categorical=[2] if features.shape[1] > 2 else [],
        n_arms=n_arms,
        n_permutations=n_permutations,
        explain_below=0.01,
        salt=salt,
        seed=0,
    )


def test_the_auc_is_that_of_scikit_learn_ties_included() -> None:
    generator = np.random.default_rng(1)
    scores = generator.integers(0, 9, 500).astype(float)
    treated = generator.random(500) < 0.3
    assert auc_of(scores, treated) == pytest.approx(roc_auc_score(treated, scores), rel=1e-12)


def test_the_p_value_is_the_share_of_all_permutations() -> None:
    # treated 3 and 4 of 1..4: one of six label permutations has an AUC of 1
    p_value = permutation_p_value(
        np.array([1.0, 2.0, 3.0, 4.0]),
        np.array([False, False, True, True]),
        np.arange(4),
        n_permutations=20_000,
        seed=1,
    )
    assert p_value == pytest.approx(1 / 6, abs=4 * (5 / 36 / 20_000) ** 0.5)


def test_labels_of_a_household_move_together() -> None:
    # two households of fifty with scores of their own: half of the permutations look like this
    p_value = permutation_p_value(
        np.repeat([0.0, 1.0], 50),
        np.repeat([False, True], 50),
        np.repeat([0, 1], 50),
        n_permutations=4000,
        seed=1,
    )
    assert p_value == pytest.approx(0.5, abs=4 * (0.25 / 4000) ** 0.5)


def test_arms_that_differ_by_chance_only_pass() -> None:
    generator = np.random.default_rng(5)
    features, arm = people(4000, generator), generator.integers(0, 3, 4000)
    for test in run(features, arm, n_arms=3):
        assert test.p_value > 0.01
        assert 0.45 < test.auc < 0.55
        assert test.telling == ()


def test_a_covariate_shift_in_one_arm_is_found_in_that_arm_and_named() -> None:
    generator = np.random.default_rng(5)
    features, arm = people(6000, generator), generator.integers(0, 3, 6000)
    features[arm == 2, 0] += 4.0  # a third of a standard deviation
    sound, shifted = run(features, arm, n_arms=3)
    assert sound.p_value > 0.01
    assert shifted.p_value < 0.001 / 2
    assert shifted.auc > 0.53
    assert shifted.telling[0] == "age"


def test_a_shift_that_leaves_every_mean_alike_is_found_too() -> None:
    generator = np.random.default_rng(6)
    features, arm = people(6000, generator), generator.integers(0, 2, 6000)
    features[:, 0] = generator.normal(0.0, np.where(arm == 1, 2.0, 1.0))
    (test,) = run(features, arm)
    assert test.p_value < 0.001
    assert test.telling[0] == "age"


def test_a_feature_written_after_the_treatment_is_found_and_named() -> None:
    generator = np.random.default_rng(7)
    features, arm = people(6000, generator), generator.integers(0, 2, 6000)
    features[:, 3] += 15.0 * (arm == 1) * (generator.random(6000) < 0.5)  # it moves the basket
    (test,) = run(features, arm)
    assert test.p_value < 0.001
    assert test.auc > 0.53
    assert test.telling[0] == "basket"


def test_gaps_that_depend_on_the_arm_are_found() -> None:
    generator = np.random.default_rng(8)
    features, arm = people(6000, generator), generator.integers(0, 2, 6000)
    features[(arm == 1) & (generator.random(6000) < 0.15), 1] = np.nan
    (test,) = run(features, arm)
    assert test.p_value < 0.001
    assert test.telling[0] == "tenure"


@pytest.mark.slow
def test_households_with_traits_of_their_own_are_no_fault() -> None:
    # 80 experiments with households of 10 that share everything: rejected at .05 about 4 times
    generator = np.random.default_rng(9)
    household = np.repeat(np.arange(60), 10)
    low = 0
    for _ in range(80):
        features, arm = people(60, generator)[household], generator.integers(0, 2, 60)[household]
        low += run(features, arm, household, n_permutations=99)[0].p_value <= 0.05
    assert low / 80 <= 0.05 + 4 * (0.05 * 0.95 / 80) ** 0.5


@pytest.mark.parametrize("n", [1, 4])
def test_a_log_too_small_to_learn_from_shows_nothing(n: int) -> None:
    (test,) = run(np.zeros((n, 1)), np.zeros(n))
    assert (test.auc, test.p_value) == (0.5, 1.0)


def test_a_category_beyond_what_a_tree_can_hold_is_a_number() -> None:
    generator = np.random.default_rng(2)
    features = people(2000, generator)
    features[:, 2] = np.arange(2000) % 700
    (test,) = run(features, generator.integers(0, 2, 2000), n_permutations=99)
    assert 0.4 < test.auc < 0.6


def test_the_same_rows_give_the_same_answer() -> None:
    generator = np.random.default_rng(5)
    features, arm = people(1500, generator), generator.integers(0, 2, 1500)
    assert run(features, arm) == run(features, arm)


def p_values_under_the_null(repeats: int) -> Floats:
    """Of permuted labels; 199 permutations, so that exactly .05 lie at or below .05."""
    generator = np.random.default_rng(11)
    features = people(300, generator)
    return np.array(
        [
            run(features, generator.permutation(np.arange(300) % 2), n_permutations=199)[0].p_value
            for _ in range(repeats)
        ]
    )


def assert_calibrated(p_values: Floats) -> None:
    """Five in a hundred at .05, and a mean of one half; tolerance 4 SE."""
    n = p_values.size
    assert np.mean(p_values <= 0.05) == pytest.approx(0.05, abs=4 * (0.05 * 0.95 / n) ** 0.5)
    assert p_values.mean() == pytest.approx(0.5 + 0.5 / 200, abs=4 * (1 / 12 / n) ** 0.5)


@pytest.mark.slow
def test_on_permuted_labels_the_p_value_is_uniform() -> None:
    assert_calibrated(p_values_under_the_null(100))


@pytest.mark.long
def test_on_many_permuted_labels_the_p_value_is_uniform() -> None:
    assert_calibrated(p_values_under_the_null(2000))


def test_hillstroms_arms_cannot_be_told_apart(hillstrom: object) -> None:
    rows = pd.read_csv(str(hillstrom))
    arm = rows["segment"].map({"No E-Mail": 0, "Mens E-Mail": 1, "Womens E-Mail": 2})
    codes = [rows[name].astype("category").cat.codes for name in ("zip_code", "channel")]
    numbers = [rows[name] for name in ("recency", "history", "mens", "womens", "newbie")]
    tests = two_sample_tests(
        np.column_stack([*numbers, *codes]).astype(float),
        arm,
        [str(number) for number in rows.index],
        names=("recency", "history", "mens", "womens", "newbie", "zip_code", "channel"),
        categorical=[5, 6],
        n_arms=3,
        n_permutations=499,
        explain_below=0.0,
        salt="two-sample",
        seed=1,
    )
    assert all(test.p_value > 0.01 for test in tests)
    assert all(abs(test.auc - 0.5) < 0.02 for test in tests)


def test_enough_permutations_are_drawn_to_fail_at_the_limit() -> None:
    for n_treatments in (1, 2, 7):
        smallest = 1 / (1 + permutations_for(0.001, n_treatments))
        assert smallest * n_treatments < 0.001 / 2
