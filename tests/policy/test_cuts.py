import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from uplift.policy.cuts import (
    COARSE_SHIFT,
    FINE_SHIFT,
    cells_of,
    crossing_cells,
    histogram,
    lower_edge,
)

SHIFTS = [COARSE_SHIFT, FINE_SHIFT]


def in_memory(values, weights):
    return lambda shift, within: histogram(values, np.array(weights), shift, within)


@pytest.mark.parametrize("shift", SHIFTS)
@given(values=st.lists(st.floats(allow_nan=False), min_size=2, max_size=20))
def test_cells_keep_the_order_of_the_values(shift, values):
    cells = cells_of(sorted(values), shift)
    assert (np.diff(cells) >= 0).all()


@pytest.mark.parametrize("shift", SHIFTS)
@given(value=st.floats(-1e300, 1e300))
def test_a_value_is_at_or_above_the_edge_of_its_cell_and_below_the_next(shift, value):
    (cell,) = cells_of([value], shift)
    assert lower_edge(cell, shift) <= value
    assert value < lower_edge(cell + 1, shift)


def test_the_two_zeros_are_one():
    assert cells_of([-0.0], 0).tolist() == cells_of([0.0], 0).tolist() == [0]


def test_fine_cells_tell_nine_digits_apart_and_no_more():
    a, b, c = cells_of([1.0, 1.0 + 1e-9, 1.0 + 1e-13], FINE_SHIFT)
    assert b > a
    assert c == a


def test_weights_of_a_cell_add_up_highest_cell_first():
    found = histogram([1.0, 7.0, 1.0], np.array([2, 3, 5]), FINE_SHIFT)
    assert found.weight.tolist() == [3, 7]
    assert found.cell.tolist() == cells_of([7.0, 1.0], FINE_SHIFT).tolist()


@pytest.mark.parametrize(
    ("limit", "first_that_does_not_fit"),
    [(0, 9.0), (1, 9.0), (2, 7.0), (5, 7.0), (6, 1.0), (9, 1.0), (10, None), (99, None)],
)
def test_the_crossing_is_the_first_value_that_does_not_fit(limit, first_that_does_not_fit):
    """Running totals, best first: 9 takes 2, 7 (twice) takes 4 more, 1 takes 4 more."""
    fill = in_memory([7.0, 1.0, 9.0, 7.0], [1, 4, 2, 3])
    expected = (
        None
        if first_that_does_not_fit is None
        else cells_of([first_that_does_not_fit], FINE_SHIFT)[0]
    )
    assert crossing_cells(fill, [limit]) == [expected]


@given(
    values=arrays(float, 30, elements=st.floats(-10.0, 10.0) | st.sampled_from([1.0, 1.0001])),
    weights=arrays(np.int64, 30, elements=st.integers(0, 5)),
    limits=st.lists(st.integers(0, 80), min_size=1, max_size=4),
)
def test_two_histograms_find_what_a_full_sort_finds(values, weights, limits):
    cells = cells_of(values, FINE_SHIFT)

    def by_sorting(limit):
        for cell in sorted(set(cells.tolist()), reverse=True):
            if weights[cells >= cell].sum() > limit:
                return cell
        return None

    expected = [by_sorting(limit) for limit in limits]
    assert crossing_cells(in_memory(values, weights), limits) == expected


def test_no_values_at_all_fit_any_limit():
    assert crossing_cells(in_memory([], []), [0, 5]) == [None, None]
