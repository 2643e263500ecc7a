from dataclasses import replace

import numpy as np
import pytest

from tests.ensemble.builders import STRANGE, random_ensemble, strange_rows, stump
from uplift.ensemble import FlatEnsemble, constant, fix_feature
from uplift.ensemble.decisions import CATEGORICAL, MISSING_NAN
from uplift.errors import ContractError


@pytest.mark.parametrize("most_leaves", [2, 8, 80])
@pytest.mark.parametrize("feature", [0, 1, 2])
def test_a_fixed_feature_gives_the_sums_of_rows_that_have_its_value(
    feature: int, most_leaves: int
) -> None:
    rng = np.random.default_rng(10 * most_leaves + feature)
    for value in STRANGE:
        whole = random_ensemble(rng, most_leaves=most_leaves)
        rows = strange_rows(rng, 20, 3)
        rows[:, feature] = value
        fixed = fix_feature(whole, feature, value)
        assert fixed.n_features == 2
        assert fixed.raw(np.delete(rows, feature, axis=1)).tolist() == whole.raw(rows).tolist()


def test_vector_leaves_survive() -> None:
    rng = np.random.default_rng(1)
    whole = random_ensemble(rng, width=2)
    rows = strange_rows(rng, 20, 3)
    rows[:, 1] = 0.5
    fixed = fix_feature(whole, 1, 0.5)
    assert fixed.raw(rows[:, [0, 2]]).tolist() == whole.raw(rows).tolist()


def test_no_node_and_no_leaf_is_kept_in_vain() -> None:
    fixed = fix_feature(beside(stump(MISSING_NAN)), 0, 0.2)
    assert (len(fixed.feature), fixed.leaf_values.tolist()) == (0, [[1.0]])


def test_a_category_decides_by_membership() -> None:
    whole = beside(stump(CATEGORICAL, members=(1, 3)))
    answers = [fix_feature(whole, 0, code).raw(np.zeros((1, 1)))[0, 0] for code in (0, 1, 2, 3)]
    assert answers == [2.0, 1.0, 2.0, 1.0]


def test_a_column_that_does_not_exist_cannot_be_fixed() -> None:
    with pytest.raises(ContractError, match="column 3 of 3 cannot be left out"):
        fix_feature(constant([1.0], n_features=3), 3, 0.0)


def test_the_only_column_stays() -> None:
    with pytest.raises(ContractError, match="column 0 of 1 cannot be left out"):
        fix_feature(constant([1.0], n_features=1), 0, 0.0)


def beside(ensemble: FlatEnsemble) -> FlatEnsemble:
    """The same trees over one more column, which they do not look at."""
    return replace(ensemble, n_features=ensemble.n_features + 1)
