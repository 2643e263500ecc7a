"""Effects in the top and in bins, by head."""

import numpy as np
import pytest

from tests.evaluation.builders import from_counts, from_log
from uplift.errors import ContractError
from uplift.evaluation.metrics import ate, uplift_at, uplift_by_bin

# best first: (priority, arm, outcome)
ROWS = [(8, 1, 1), (7, 1, 1), (6, 1, 0), (5, 0, 0), (4, 0, 1), (3, 0, 1), (2, 1, 0), (1, 0, 1)]


def test_overall_compares_the_arms_inside_the_pooled_top() -> None:
    assert uplift_at(from_log(ROWS), 1, 0.5).tolist() == [2 / 3 - 0 / 1]


def test_by_group_compares_the_top_of_each_arm() -> None:
    assert uplift_at(from_log(ROWS), 1, 0.5, strategy="by_group").tolist() == [2 / 2 - 1 / 2]


@pytest.mark.parametrize("strategy", ["overall", "by_group"])
def test_the_top_that_is_everything_has_the_average_effect(strategy: str) -> None:
    sums = from_log(ROWS)
    assert uplift_at(sums, 1, 1.0, strategy=strategy) == pytest.approx(ate(sums, 1))


def test_a_block_across_the_edge_counts_in_proportion() -> None:
    sums = from_counts((10, 8, 10, 2), (20, 4, 20, 6))
    # the top half: the first block, and a quarter of the second
    expected = (8 + 1) / (10 + 5) - (2 + 1.5) / (10 + 5)
    assert uplift_at(sums, 1, 0.5) == pytest.approx([expected])


def test_a_top_without_control_has_no_effect_to_tell() -> None:
    assert np.isnan(uplift_at(from_log(ROWS), 1, 0.25))


@pytest.mark.parametrize("share", [0.0, 1.5, -0.1])
def test_a_share_outside_zero_and_one_is_refused(share: float) -> None:
    with pytest.raises(ContractError, match=r"is not in \(0, 1\]"):
        uplift_at(from_log(ROWS), 1, share)


def test_bins_hold_equal_shares_of_the_rows() -> None:
    found = uplift_by_bin(from_counts((10, 8, 10, 2), (10, 5, 10, 5)), 1, bins=4)
    assert found.uplift[0] == pytest.approx([0.6, 0.6, 0.0, 0.0])
    assert found.predicted == pytest.approx([0, 0, -1, -1])
    assert found.n_treated == pytest.approx([5, 5, 5, 5])
    assert found.n_control == pytest.approx([5, 5, 5, 5])


def test_a_bin_across_two_blocks_mixes_them() -> None:
    found = uplift_by_bin(from_counts((10, 8, 10, 2), (10, 5, 10, 5)), 1, bins=1)
    assert found.uplift[0] == pytest.approx([0.3])
    assert found.predicted == pytest.approx([-0.5])


def test_a_bin_with_an_empty_arm_is_not_a_number() -> None:
    found = uplift_by_bin(from_log(ROWS), 1, bins=4)
    assert np.isnan(found.uplift[0]).tolist() == [True, False, True, False]


def test_no_bins_are_refused() -> None:
    with pytest.raises(ContractError, match="0 bins"):
        uplift_by_bin(from_log(ROWS), 1, bins=0)
