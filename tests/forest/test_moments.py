"""Whole numbers that stand for outcomes and weights: exact, and never too large."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uplift.forest.moments import Extent, columns, extent, moments

finite = st.floats(-1e9, 1e9, allow_nan=False, allow_subnormal=False)


def test_a_zero_or_one_without_a_weight_takes_one_word() -> None:
    outcome = np.array([0.0, 1.0, 1.0])
    layout = extent(outcome, None).layout(needs_squares=True)
    assert layout.is_packed
    assert layout.width == 1
    total = moments(columns(outcome, None, layout).sum(axis=0), layout)
    assert total == (3.0, 3.0, 2.0, 2.0)


def test_a_million_million_rows_of_the_largest_outcome_do_not_overflow() -> None:
    for largest in (1e-300, 1.0, 7e8):
        layout = Extent(10**12, 1.0, largest, is_binary=False, is_weighted=False).layout(
            needs_squares=True
        )
        row = columns(np.array([largest]), None, layout)[0]
        assert all(0 <= int(value) * 10**12 < 2**63 for value in row)


@given(st.lists(st.tuples(finite, st.floats(0.01, 100.0)), min_size=1, max_size=50))
def test_sums_are_those_of_the_rows_up_to_rounding(rows: list[tuple[float, float]]) -> None:
    outcome, weight = (np.array(column) for column in zip(*rows, strict=True))
    layout = extent(outcome, weight).layout(needs_squares=True)
    total = moments(columns(outcome, weight, layout).sum(axis=0), layout)
    exact = np.array([len(rows), weight.sum(), weight @ outcome, weight @ outcome**2])
    if layout.is_binary:
        exact[3] = exact[2]
    scale = [1.0, weight.max(), (weight * np.abs(outcome)).max(), (weight * outcome**2).max()]
    np.testing.assert_allclose(total, exact, rtol=0, atol=1e-12 * len(rows) * max(scale))


@pytest.mark.parametrize("weight", [None, np.array([1.0, 2.0, 3.0])])
def test_no_outcome_at_all_is_zero(weight: np.ndarray | None) -> None:
    outcome = np.array([0.0, 0.5, 0.0])
    layout = extent(outcome, weight).layout(needs_squares=False)
    assert layout.width == (2 if weight is None else 3)
    total = moments(columns(outcome, weight, layout).sum(axis=0), layout)
    assert total.outcome == (0.5 if weight is None else 1.0)
