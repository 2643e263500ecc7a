import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uplift.monitoring.stability import Binning, fit_binning, missing_share, stability_index


def index(then: np.ndarray, now: np.ndarray, **options: object) -> float:
    """Of one column."""
    binning = fit_binning(then[:, None], **{"n_bins": 10, **options})  # type: ignore[arg-type]
    return float(stability_index(binning.count(then[:, None]), binning.count(now[:, None]))[0])


def test_a_row_stands_in_the_bin_whose_lower_edge_it_reaches() -> None:
    binning = Binning((np.array([1.0, 2.0]),))
    values = np.array([0.5, 1.0, 1.5, 2.0, 9.0, np.nan])[:, None]
    assert binning.count(values).tolist() == [[1, 2, 2, 1]]


def test_bins_of_a_continuous_feature_are_equally_full() -> None:
    values = np.random.default_rng(1).normal(size=(1000, 1))
    binning = fit_binning(values, n_bins=10)
    assert abs(binning.count(values)[0, :-1] - 100).max() <= 1


def test_equal_values_never_part() -> None:
    """Nine zeros in ten: one bin of zeros, one of the rest, none empty."""
    values = np.array([0.0] * 900 + list(range(1, 101)))[:, None]
    counts = fit_binning(values, n_bins=5).count(values)[0]
    assert counts[0] == 900
    assert (counts[:-1] > 0).all()


def test_codes_of_categories_have_a_bin_each_and_the_unknown_are_missing() -> None:
    then = np.array([0.0, 1.0, 2.0, 2.0])[:, None]
    binning = fit_binning(then, n_bins=2, is_code=[True])
    assert binning.count(np.array([2.0, 2.0, 0.0, np.nan])[:, None]).tolist() == [[1, 0, 2, 1]]


def test_the_index_of_two_bins_is_what_the_formula_says() -> None:
    """(0.8 - 0.5) ln(0.8/0.5) + (0.2 - 0.5) ln(0.2/0.5), but for half a row per bin."""
    found = stability_index(np.array([[50_000, 50_000]]), np.array([[80_000, 20_000]]))[0]
    assert found == pytest.approx(0.3 * np.log(1.6) - 0.3 * np.log(0.4), abs=1e-4)


def test_without_a_change_the_index_is_about_its_expected_value() -> None:
    """(bins - 1)(1/n + 1/m) with chi-square spread: the mean of 200 draws within 4 errors."""
    rng = np.random.default_rng(3)
    n, m, bins = 4000, 2000, 10
    found = [index(rng.normal(size=n), rng.normal(size=m)) for _ in range(200)]
    expected = (bins - 1) * (1 / n + 1 / m)
    error = expected * np.sqrt(2 / (bins - 1)) / np.sqrt(200)
    assert abs(np.mean(found) - expected) < 4 * error


def test_a_shift_by_half_a_standard_deviation_is_another_population() -> None:
    """Normals a distance d apart: the symmetric divergence is d squared, a little less in bins."""
    rng = np.random.default_rng(4)
    found = index(rng.normal(size=200_000), rng.normal(0.5, 1.0, size=200_000))
    assert 0.22 < found < 0.25


def test_values_that_go_missing_count_as_a_change() -> None:
    then = np.random.default_rng(5).normal(size=10_000)
    now = np.where(np.arange(10_000) % 2, then, np.nan)
    assert index(then, now) > 0.5
    assert index(then, then) == pytest.approx(0.0, abs=1e-12)


def test_a_column_without_values_is_stable_until_it_has_some() -> None:
    nothing = np.full(100, np.nan)
    assert index(nothing, nothing) == pytest.approx(0.0)
    assert index(nothing, np.ones(100)) > 1.0


def test_the_share_of_missing_values() -> None:
    assert missing_share(np.array([[3, 1], [0, 0]])).tolist() == [0.25, 0.0]


@given(st.lists(st.integers(0, 50), min_size=2, max_size=6), st.integers(1, 5))
def test_the_index_is_never_negative_and_alike_both_ways(counts: list[int], shift: int) -> None:
    p = np.array([counts])
    q = np.roll(p, shift, axis=1)
    there, back = stability_index(p, q)[0], stability_index(q, p)[0]
    assert there >= 0.0
    assert there == pytest.approx(back)
