"""Effects by group: by head, and under a truth."""

import numpy as np
import pytest

from tests.evaluation.builders import from_counts
from uplift.errors import ContractError
from uplift.evaluation.gates import given_group_effects, sorted_group_effects
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums

LEVEL = 0.95


def simulate(effect: float, seed: int = 0, n: int = 8000) -> RankedSums:
    rng = np.random.default_rng(seed)
    group, arm = rng.integers(0, 4, n), rng.integers(0, 2, n)
    outcome = arm * effect * group + rng.normal(size=n)
    return ranked_sums(group, arm, outcome, n_arms=2, replicates=200)


def test_given_groups_keep_their_own_sizes() -> None:
    found = given_group_effects(from_counts((30, 24, 10, 2), (10, 5, 10, 5)), 1, level=LEVEL)
    assert [effect.estimate for effect in found.effects] == pytest.approx([0.6, 0.0])
    assert found.n_treated.tolist() == [30, 10]
    assert found.best_less_worst.estimate == pytest.approx(0.6)


def test_sorted_groups_are_of_equal_size() -> None:
    found = sorted_group_effects(
        from_counts((10, 8, 10, 2), (20, 10, 20, 10)), 1, level=LEVEL, groups=3
    )
    assert [effect.estimate for effect in found.effects] == pytest.approx([0.6, 0.0, 0.0])
    assert found.n_control.tolist() == pytest.approx([10, 10, 10])


def test_groups_with_effects_of_their_own_are_told_apart() -> None:
    found = given_group_effects(simulate(0.3), 1, level=LEVEL)
    for effect, truth in zip(found.effects, (0.9, 0.6, 0.3, 0.0), strict=True):
        assert abs(effect.estimate - truth) < 4 * effect.standard_error
    assert found.best_less_worst.low > 0.5
    assert found.p_equal < 1e-6


def test_equal_groups_are_called_unequal_as_seldom_as_the_level_says() -> None:
    p = [
        given_group_effects(simulate(0.0, seed, 800), 1, level=LEVEL).p_equal for seed in range(60)
    ]
    # 60 x 0.1 = 6 expected, standard error 2.3
    assert (np.array(p) < 0.1).sum() <= 6 + 3 * 2.3


def test_one_group_is_equal_to_itself() -> None:
    found = sorted_group_effects(simulate(0.0, n=100), 1, level=LEVEL, groups=1)
    assert np.isnan(found.p_equal)
    assert found.best_less_worst.estimate == 0


def test_a_group_without_control_is_not_a_number_and_says_so_alone() -> None:
    found = given_group_effects(from_counts((5, 1, 0, 0), (5, 1, 5, 1)), 1, level=LEVEL)
    assert np.isnan(found.effects[0].estimate)
    assert found.effects[1].estimate == 0
    assert np.isnan(found.p_equal)


def test_a_treatment_that_is_none_is_refused() -> None:
    with pytest.raises(ContractError, match="treatment 5 is not among"):
        given_group_effects(simulate(0.0, n=100), 5, level=LEVEL)
