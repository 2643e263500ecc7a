import numpy as np
import pytest

from tests.experiment.builders import log_of
from uplift.errors import ContractError, ExperimentError
from uplift.experiment.observed import folds_of, observed_logs

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 2))
ARM = np.repeat([0, 1], 50)
IDS = [f"unit {i}" for i in range(100)]


def logs(features=X, arm=ARM, outcome=ARM, ids=IDS, folds=5):
    return observed_logs(features, arm, {"spend": outcome}, ids, n_arms=2, folds=folds, seed=1)


def test_a_cluster_shares_a_fold_that_no_other_row_changes():
    folds = folds_of(["a", "b", "a", "c"], folds=5, seed=1)
    assert folds[0] == folds[2]
    assert folds_of(["c", "a"], folds=5, seed=1).tolist() == [folds[3], folds[0]]


def test_folds_are_of_like_size_and_change_with_the_seed():
    one, other = (folds_of([str(i) for i in range(5000)], folds=5, seed=s) for s in (1, 2))
    # 5,000 draws into five: 4 SE of a count are 4 sqrt(5000 x .2 x .8) = 113
    assert np.abs(np.bincount(one) - 1000).max() < 113
    assert np.mean(one == other) < 0.3


def test_a_part_of_a_log_keeps_arms_outcomes_and_folds_together():
    log = log_of(X, ARM, X[:, 0])
    part = log.where(log.fold == 2)
    assert np.array_equal(part.outcome, part.features[:, 0])
    assert set(part.fold) == {2}
    assert part.n == int((log.fold == 2).sum())


def test_three_units_in_an_arm_are_too_few():
    arm = np.zeros(100, dtype=int)
    arm[:3] = 1
    with pytest.raises(ExperimentError, match=r"arm 1 has 3 of 100 units.*ignore_arms"):
        logs(arm=arm)


def test_an_arm_that_is_one_cluster_cannot_be_told_from_others():
    ids = ["all" if k else i for k, i in zip(ARM, IDS, strict=True)]
    with pytest.raises(ExperimentError, match=r"all its 50 of 100 units in fold .*cluster_id"):
        logs(ids=ids)


def test_features_without_any_value_explain_nothing():
    with pytest.raises(ContractError, match=r"none of 2 features has a value in any of 100 rows"):
        logs(features=np.full((100, 2), np.nan))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"features": X[:, :0]}, r"shape \(100, 0\)"),
        ({"features": np.where(X > 2.0, np.inf, X)}, r"feature \d is infinite in \d"),
        ({"arm": np.repeat([0, 2], 50)}, r"arm 2 occurs in 50 of 100 rows; .* arms 0 to 1"),
        ({"arm": ARM[:99]}, r"'arm': \(99,\)"),
        ({"ids": IDS[:99]}, r"'cluster_id': \(99,\)"),
        ({"outcome": np.where(ARM == 1, np.nan, 0.0)}, r"`spend` is nan in 50 of 100 rows"),
    ],
)
def test_columns_that_do_not_fit_are_named(given, message):
    with pytest.raises(ContractError, match=message):
        logs(**given)
