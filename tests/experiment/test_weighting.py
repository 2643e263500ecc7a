import numpy as np
import pytest

from tests.experiment.builders import confounded
from uplift.experiment.counts import arm_counts, standardized_mean_difference
from uplift.experiment.weighting import (
    covariate_columns,
    weighted_counts,
    weighted_difference,
    weights,
)


def counts_of(features, arm, weight, n_arms=2):
    return weighted_counts(
        features,
        arm,
        weight,
        n_arms=n_arms,
        columns=[str(c) for c in range(features.shape[1])],
        origin=np.nanmean(features, axis=0),
    )


def test_weights_are_as_the_table_of_the_paper_has_them():
    chances = np.array([[0.8, 0.2], [0.8, 0.2]])
    arm = np.array([0, 1])
    given = {"k": 1, "floor": 0.01}
    assert weights(chances, arm, target="ate", **given) == pytest.approx([1.25, 5.0])
    assert weights(chances, arm, target="att", **given) == pytest.approx([0.25, 1.0])
    assert weights(chances, arm, target="overlap", **given) == pytest.approx([0.2, 0.8])


def test_chances_of_nought_and_one_weigh_no_more_than_the_floor_allows():
    chances, arm = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1, 0])
    assert weights(chances, arm, k=1, target="ate", floor=0.01) == pytest.approx([100, 100])
    assert weights(chances, arm, k=1, target="att", floor=0.01) == pytest.approx([1, 100])


def test_a_third_arm_does_not_weigh():
    chances = np.full((3, 3), 1 / 3)
    for target in ("att", "ate", "overlap"):
        found = weights(chances, np.array([0, 1, 2]), k=2, target=target, floor=0.01)
        assert (found > 0).tolist() == [True, False, True]


def test_weights_of_each_arm_sum_to_the_size_of_the_target_population():
    log, chances = confounded(20_000, effects=(1.0, 2.0))
    for target, size in (
        ("ate", np.full(log.n, 1.0)),
        ("att", chances[:, 2]),
        ("overlap", 1.0 / (1.0 / chances).sum(axis=1)),
    ):
        found = weights(chances, log.arm, k=2, target=target, floor=0.0)
        for one in (0, 2):
            in_arm = log.arm == one
            drawn = np.where(in_arm, found, 0.0) - size
            assert abs(drawn.sum()) < 4 * np.sqrt(log.n) * drawn.std()  # 4 SE


def test_true_chances_balance_what_drew_the_arms():
    log, chances = confounded(20_000, strength=1.0)
    plain = counts_of(log.features, log.arm, np.ones(log.n))
    assert weighted_difference(plain, plain, k=1)[0] > 0.5
    for target in ("att", "ate", "overlap"):
        weight = weights(chances, log.arm, k=1, target=target, floor=0.01)
        after = weighted_difference(counts_of(log.features, log.arm, weight), plain, k=1)
        assert np.abs(after).max() < 0.06  # 4 SE of 2 / sqrt(20,000)


def test_overlap_weights_of_a_logistic_model_balance_means_exactly():
    """Li, Morgan & Zaslavsky (2018), theorem 3: the score equations of the model say so."""
    from sklearn.linear_model import LogisticRegression

    log, _ = confounded(500)
    x = log.features[:, :2]
    model = LogisticRegression(C=1e9, tol=1e-10, max_iter=1000).fit(x, log.arm)
    weight = weights(model.predict_proba(x), log.arm, k=1, target="overlap", floor=0.01)
    plain = counts_of(x, log.arm, np.ones(log.n))
    after = weighted_difference(counts_of(x, log.arm, weight), plain, k=1)
    assert after == pytest.approx([0.0, 0.0], abs=1e-4)


def test_without_weights_the_difference_is_that_of_an_experiment():
    log, _ = confounded(3000)
    plain = counts_of(log.features[:, :2], log.arm, np.ones(log.n))
    columns = {"0": log.features[:, 0], "1": log.features[:, 1]}
    expected = standardized_mean_difference(arm_counts(log.arm, columns, n_arms=2))[0]
    # population variances here, sample variances there
    assert weighted_difference(plain, plain, k=1) == pytest.approx(expected, rel=1e-3)


def test_the_parts_of_a_log_add_up_to_the_whole():
    log, _ = confounded(300)
    origin = np.zeros(3)

    def part(rows):
        return weighted_counts(
            log.features[rows],
            log.arm[rows],
            np.arange(300.0)[rows],
            n_arms=2,
            columns=["a", "b", "c"],
            origin=origin,
        )

    whole, total = part(slice(None)), part(slice(0, 70)) + part(slice(70, None))
    assert total.mean == pytest.approx(whole.mean)
    assert total.spread == pytest.approx(whole.spread)


def test_a_constant_is_balanced_and_a_copy_of_the_arm_infinitely_off():
    arm = np.array([0, 0, 1, 1])
    features = np.column_stack([np.full(4, 0.1), arm])
    plain = counts_of(features, arm, np.ones(4))
    assert weighted_difference(plain, plain, k=1).tolist() == [0.0, np.inf]


def test_levels_and_missing_values_are_columns_of_their_own():
    features = np.array([[1.0, 0.0], [np.nan, 1.0], [3.0, np.nan]])
    covariates, names = covariate_columns(features, ["age", "city"], (1,))
    assert names == (
        "age",
        "age is missing",
        "city is level 0",
        "city is level 1",
        "city is missing",
    )
    assert np.nan_to_num(covariates, nan=-1.0).tolist() == [
        [1.0, 0.0, 1.0, 0.0, 0.0],
        [-1.0, 1.0, 0.0, 1.0, 0.0],
        [3.0, 0.0, 0.0, 0.0, 1.0],
    ]
