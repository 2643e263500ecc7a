from pathlib import Path

import numpy as np
import pytest

from tests.ensemble.builders import stump
from uplift.ensemble import Explainer, FlatEnsemble, combine, constant, fix_feature, linear, stack
from uplift.ensemble.decisions import MISSING_NAN
from uplift.ensemble.store import SLOPES, TREES, read_arrays
from uplift.errors import ContractError

ROWS = np.array([[2.0, 40.0], [-1.0, 3.0], [np.nan, np.nan], [0.0, 0.0], [4.0, 71.0]])


def model(slope: float = 0.5) -> FlatEnsemble:
    """1 + slope x number, 7 where it is missing; 10 for category 3, 20 for 40."""
    return linear(
        np.array([slope, 0.0]),
        intercept=1.0,
        missing={0: 7.0},
        categories={1: {3: 10.0, 40: 20.0}},
    )


def test_numbers_have_slopes_and_all_else_has_leaves() -> None:
    np.testing.assert_array_equal(model().raw(ROWS)[:, 0], [22.0, 10.5, 8.0, 1.0, 3.0])


def test_a_row_has_the_same_bits_alone_and_in_a_batch() -> None:
    rows = np.random.default_rng(1).normal(size=(300, 2))
    together = model(slope=0.3).raw(rows)
    alone = np.concatenate([model(slope=0.3).raw(row[np.newaxis]) for row in rows])
    assert together.tobytes() == alone.tobytes()


def test_a_slope_of_nothing_is_nothing_at_infinity_too() -> None:
    assert model(slope=0.0).raw(np.array([[np.inf, 0.0]]))[0, 0] == 1.0


def test_slopes_are_added_up_with_the_weights_of_the_leaves() -> None:
    trees = constant([3.0], 2)
    together = combine([model(), trees, model(2.0)], [[1.0, 1.0, 0.0], [-1.0, -1.0, 2.0]])
    mine, other = (own.raw(ROWS)[:, 0] for own in (model(), model(2.0)))
    np.testing.assert_allclose(
        together.raw(ROWS), np.column_stack([mine + 3, 2 * other - mine - 3])
    )


def test_models_side_by_side_keep_their_slopes_beside_trees() -> None:
    tree = stump(MISSING_NAN)
    beside = stack([linear(np.array([2.0]), intercept=0.0, missing={}, categories={}), tree])
    rows = np.array([[1.0], [0.0]])
    np.testing.assert_array_equal(beside.raw(rows), [[2.0, 2.0], [0.0, 1.0]])


def test_slopes_travel_in_the_file_and_in_the_digest(tmp_path: Path) -> None:
    model().save(tmp_path / "linear.npz")
    again = FlatEnsemble.load(tmp_path / "linear.npz")
    assert again.raw(ROWS).tobytes() == model().raw(ROWS).tobytes()
    assert again.digest() == model().digest() != model(slope=0.6).digest()


def test_trees_alone_are_written_as_they_always_were_and_slopes_in_a_format_of_their_own(
    tmp_path: Path,
) -> None:
    for ensemble, version in ((constant([1.0], 1), TREES), (model(), SLOPES)):
        ensemble.save(tmp_path / "e.npz")
        read = read_arrays(tmp_path / "e.npz", ["format_version"], optional=["slopes"])
        assert int(read["format_version"]) == version
        assert ("slopes" in read) == (version == SLOPES)


@pytest.mark.parametrize("slopes", [np.zeros((1, 1)), np.array([[np.nan], [0.0]])])
def test_slopes_that_fit_no_features_are_refused(slopes: np.ndarray) -> None:
    arrays = constant([1.0], 2)._contents()
    with pytest.raises(ContractError, match="`slopes`"):
        FlatEnsemble.of(arrays, n_features=2, n_outputs=1, slopes=slopes)


def test_a_column_with_a_slope_cannot_be_evaluated_beforehand() -> None:
    with pytest.raises(ContractError, match="ensemble with slopes"):
        fix_feature(model(), 0, 1.0)


def test_a_slope_contributes_by_how_far_a_feature_is_from_its_usual_value() -> None:
    background = np.array([[1.0, 3.0], [3.0, 3.0]])
    parts = Explainer(model(), background).contributions(ROWS)[:, 0]
    # Usually 1 + 0.5 x 2 + 10; category 40 makes 20 of these 10, and the number is its slope's.
    np.testing.assert_allclose(parts[0], [0.0, 10.0, 12.0])
    np.testing.assert_allclose(parts[1], [-1.5, 0.0, 12.0])
    np.testing.assert_allclose(parts.sum(axis=1), model().raw(ROWS)[:, 0])
