"""Curves by head: one point per block, straight between them."""

import numpy as np
import pytest

from tests.evaluation.builders import from_counts, from_log
from uplift.errors import ContractError
from uplift.evaluation.curves import qini_curve, toc_curve, tops, uplift_curve
from uplift.evaluation.ranked_sums import ranked_sums

TWO_BLOCKS = from_counts((4, 3, 2, 1), (1, 1, 3, 2))


def test_a_qini_curve_subtracts_control_scaled_to_the_treated() -> None:
    curve = qini_curve(tops(TWO_BLOCKS, 1))
    assert curve.at.tolist() == [[0, 6, 10]]
    assert curve.height.tolist() == [[0, 3 - 1 * 4 / 2, 4 - 3 * 5 / 5]]


def test_an_uplift_curve_multiplies_the_difference_in_means_by_the_size_of_the_top() -> None:
    curve = uplift_curve(tops(TWO_BLOCKS, 1))
    assert curve.height[0] == pytest.approx([0, (3 / 4 - 1 / 2) * 6, (4 / 5 - 3 / 5) * 10])


def test_a_toc_curve_begins_at_its_first_block_and_ends_at_zero() -> None:
    curve = toc_curve(tops(TWO_BLOCKS, 1))
    first = (3 / 5 - 1 / 5) / 0.6 - (4 / 5 - 3 / 5)
    assert curve.at.tolist() == [[0, 0.6, 1]]
    assert curve.height[0] == pytest.approx([first, first, 0])


def test_a_top_without_control_subtracts_nothing() -> None:
    top = tops(from_log([(2, 1, 1), (1, 0, 1)]), 1)
    assert qini_curve(top).height.tolist() == [[0, 1, 0]]
    assert uplift_curve(top).height.tolist() == [[0, 1, 0]]


def test_areas_are_signed() -> None:
    good = qini_curve(tops(from_counts((1, 1, 1, 0), (1, 0, 1, 1)), 1))
    bad = qini_curve(tops(from_counts((1, 0, 1, 1), (1, 1, 1, 0)), 1))
    assert good.area().tolist() == [2.0]
    assert bad.area().tolist() == [-2.0]


def test_other_arms_take_no_part() -> None:
    rows = [(3, 2, 1), (3, 1, 1), (2, 0, 0), (1, 2, 0), (1, 0, 1)]
    priority, arm, outcome = zip(*rows, strict=True)
    sums = ranked_sums(priority, arm, outcome, n_arms=3)
    assert qini_curve(tops(sums, 1)).at.tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize("treatment", [0, 2, -1])
def test_a_treatment_that_is_none_is_refused(treatment: int) -> None:
    with pytest.raises(ContractError, match=f"treatment {treatment} is not among .* 1 to 1"):
        tops(TWO_BLOCKS, treatment)


def test_every_replicate_has_its_own_curve() -> None:
    rng = np.random.default_rng(0)
    sums = ranked_sums(
        rng.integers(0, 5, 200),
        rng.integers(0, 2, 200),
        rng.normal(size=200),
        n_arms=2,
        replicates=7,
    )
    curve = toc_curve(tops(sums, 1))
    assert curve.at.shape == curve.height.shape == (8, 6)
    assert len(np.unique(curve.height[:, 1])) == 8
    assert np.allclose(curve.height[:, -1], 0)
