import math
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ensemble.builders import random_ensemble, strange_rows, stump, walk
from uplift.ensemble import FlatEnsemble, constant
from uplift.ensemble.decisions import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN, MISSING_ZERO, ZERO
from uplift.ensemble.flat import ARRAYS, Matrix
from uplift.errors import ContractError

LEFT, RIGHT = 1.0, 2.0
ABOVE = math.nextafter(0.5, 1.0)


def answer(ensemble: FlatEnsemble, value: float) -> float:
    return float(ensemble.raw(np.array([[value]]))[0, 0])


@pytest.mark.parametrize(
    ("value", "side"),
    [(0.5, LEFT), (ABOVE, RIGHT), (-math.inf, LEFT), (math.inf, RIGHT), (5e-324, LEFT)],
)
@pytest.mark.parametrize("decision", [0, DEFAULT_LEFT, MISSING_NAN, MISSING_ZERO | DEFAULT_LEFT])
def test_a_number_goes_left_up_to_and_on_the_threshold(
    decision: int, value: float, side: float
) -> None:
    assert answer(stump(decision, threshold=0.5), value) == side


@pytest.mark.parametrize(
    ("decision", "value", "side"),
    [
        (0, math.nan, RIGHT),  # nothing is missing: NaN is 0, and 0 is above -0.5
        (DEFAULT_LEFT, math.nan, RIGHT),
        (MISSING_NAN, math.nan, RIGHT),
        (MISSING_NAN | DEFAULT_LEFT, math.nan, LEFT),
        (MISSING_NAN | DEFAULT_LEFT, 0.0, RIGHT),
        (MISSING_ZERO | DEFAULT_LEFT, math.nan, LEFT),
        (MISSING_ZERO | DEFAULT_LEFT, 0.0, LEFT),
        (MISSING_ZERO | DEFAULT_LEFT, -ZERO, LEFT),
        (MISSING_ZERO | DEFAULT_LEFT, math.nextafter(ZERO, 1.0), RIGHT),
        (MISSING_ZERO, -0.0, RIGHT),
    ],
)
def test_a_missing_value_goes_the_default_way(decision: int, value: float, side: float) -> None:
    assert answer(stump(decision, threshold=-0.5), value) == side


def test_a_magnitude_up_to_the_zero_of_lightgbm_is_zero() -> None:
    just_below_zero = stump(0, threshold=-ZERO)
    assert answer(just_below_zero, -ZERO) == RIGHT
    assert answer(just_below_zero, math.nextafter(-ZERO, -1.0)) == LEFT


@pytest.mark.parametrize(
    ("value", "side"),
    [
        *[(1.0, LEFT), (3.0, LEFT), (3.9, LEFT), (40.0, LEFT), (0.0, RIGHT), (2.0, RIGHT)],
        *[(33.0, RIGHT), (65.0, RIGHT), (1e9, RIGHT), (2.0**32 + 1, RIGHT), (-1.0, RIGHT)],
        *[(math.nan, RIGHT), (math.inf, RIGHT), (-math.inf, RIGHT), (2.0**31, RIGHT)],
    ],
)
def test_a_category_goes_left_if_it_is_in_the_set(value: float, side: float) -> None:
    assert answer(stump(CATEGORICAL, members=(1, 3, 40)), value) == side


def test_a_fraction_above_minus_one_is_category_zero() -> None:
    assert answer(stump(CATEGORICAL, members=(0,)), -0.9) == LEFT


@given(
    seed=st.integers(0, 2**32 - 1),
    most_leaves=st.sampled_from([1, 2, 31, 32, 33, 64, 65, 200]),
    width=st.sampled_from([1, 2, 3]),
    n_rows=st.sampled_from([1, 3, 20]),
)
@settings(max_examples=60, deadline=None)
def test_every_kernel_takes_the_steps_of_the_definition(
    seed: int, most_leaves: int, width: int, n_rows: int
) -> None:
    rng = np.random.default_rng(seed)
    ensemble = random_ensemble(rng, most_leaves=most_leaves, n_outputs=3, width=width)
    rows = strange_rows(rng, n_rows, ensemble.n_features)
    assert ensemble.raw(rows).tolist() == [walk(ensemble, row) for row in rows]


@pytest.mark.parametrize("leans_left", [True, False])
@pytest.mark.parametrize("n_leaves", [31, 32, 33, 63, 64, 65])
def test_every_leaf_is_reached_at_the_edges_of_a_word(n_leaves: int, leans_left: bool) -> None:
    # A spine of splits at 0, 1, 2, ...: one child is a leaf, the other the next split.
    splits = np.arange(n_leaves - 1)
    leaves, spine = ~splits, np.append(splits[1:], ~(n_leaves - 1))
    arrays = {name: getattr(stump(0), name) for name in ARRAYS} | {
        "feature": 0 * splits,
        "threshold": -splits if leans_left else splits,
        "decision": 0 * splits,
        "left": spine if leans_left else leaves,
        "right": leaves if leans_left else spine,
        "leaf_values": np.arange(n_leaves)[:, None],
    }
    ensemble = FlatEnsemble.of(arrays, n_features=1, n_outputs=1)
    values = np.arange(n_leaves) - 0.5
    rows = -values[:, None] if leans_left else values[:, None]
    assert ensemble.raw(rows)[:, 0].tolist() == list(range(n_leaves))
    assert [answer(ensemble, row[0]) for row in rows] == list(range(n_leaves))


@pytest.mark.parametrize("n_rows", [0, 1, 2, 11, 12, 13, 255, 256, 257, 520])
@pytest.mark.parametrize("most_leaves", [8, 80])
def test_a_row_gets_the_same_bits_alone_and_in_any_batch(n_rows: int, most_leaves: int) -> None:
    rng = np.random.default_rng(5)
    ensemble = random_ensemble(rng, n_trees=9, most_leaves=most_leaves)
    rows = strange_rows(rng, n_rows, ensemble.n_features)
    together = ensemble.raw(rows)
    assert together.shape == (n_rows, 2)
    alone = [ensemble.raw(rows[i : i + 1])[0].tolist() for i in range(n_rows)]
    assert together.tolist() == alone


def test_the_leaves_are_added_in_the_order_of_the_trees() -> None:
    big = constant([1e16], n_features=1)
    arrays = {name: getattr(big, name) for name in ARRAYS}
    arrays |= {"roots": [~0, ~1, ~2], "first_output": [0, 0, 0]}
    in_order = FlatEnsemble.of(
        arrays | {"leaf_values": [[1e16], [-1e16], [1.0]]}, n_features=1, n_outputs=1
    )
    late = FlatEnsemble.of(
        arrays | {"leaf_values": [[1e16], [1.0], [-1e16]]}, n_features=1, n_outputs=1
    )
    assert [answer(in_order, 0.0), answer(late, 0.0)] == [1.0, 0.0]


def test_the_layout_of_the_memory_changes_nothing() -> None:
    rng = np.random.default_rng(6)
    ensemble = random_ensemble(rng)
    rows = strange_rows(rng, 20, ensemble.n_features)
    expected = ensemble.raw(rows).tolist()
    assert ensemble.raw(np.asfortranarray(rows)).tolist() == expected
    assert ensemble.raw(np.repeat(rows, 2, axis=0)[::2]).tolist() == expected


def test_a_logistic_answer_is_a_probability_with_the_given_steepness() -> None:
    arrays = {name: getattr(stump(0), name) for name in ARRAYS}
    ensemble = FlatEnsemble.of(arrays, n_features=1, n_outputs=1, link="logistic", sigmoid=0.5)
    row = np.array([[0.0]])
    assert ensemble.raw(row)[0, 0] == LEFT
    assert ensemble.predict(row)[0, 0] == 1.0 / (1.0 + math.exp(-0.5))


@pytest.mark.parametrize(
    ("features", "given"),
    [
        (np.zeros((2, 3)), r"float64 of shape \(2, 3\)"),
        (np.zeros(1), r"float64 of shape \(1,\)"),
        (np.zeros((2, 1), dtype=np.float32), "float32"),
        (np.zeros((2, 1), dtype=object), "object"),
        ([[0.0]], "a list"),
    ],
)
def test_features_of_another_shape_or_type_are_refused(features: Matrix, given: str) -> None:
    with pytest.raises(ContractError, match=f"{given}.* float64 array of shape \\(n, 1\\)"):
        stump(0).raw(features)


def test_an_ensemble_cannot_be_changed() -> None:
    values = np.array([[1.0], [2.0]])
    arrays = {name: getattr(stump(0), name) for name in ARRAYS} | {"leaf_values": values}
    ensemble = FlatEnsemble.of(arrays, n_features=1, n_outputs=1)
    values[0] = 99.0
    assert answer(ensemble, 0.0) == LEFT
    for name in ARRAYS:
        assert not getattr(ensemble, name).flags.writeable
    with pytest.raises(FrozenInstanceError):
        ensemble.n_features = 2  # type: ignore[misc]


def test_an_ensemble_travels_by_pickle_and_stays_frozen() -> None:
    rng = np.random.default_rng(8)
    ensemble = random_ensemble(rng)
    rows = strange_rows(rng, 20, ensemble.n_features)
    expected = ensemble.raw(rows).tolist()
    arrived = pickle.loads(pickle.dumps(ensemble))
    assert arrived.raw(rows).tolist() == expected
    assert arrived.digest() == ensemble.digest()
    assert not arrived.leaf_values.flags.writeable


def test_prediction_leaves_the_features_alone() -> None:
    rows = np.array([[math.nan], [0.25], [-0.0]])
    before = rows.tobytes()
    stump(MISSING_ZERO).predict(rows)
    assert rows.tobytes() == before


@pytest.mark.parametrize("name", [*ARRAYS, "link", "sigmoid"])
def test_the_digest_sees_every_part(name: str) -> None:
    ensemble = stump(0)
    arrays = {field: getattr(ensemble, field) for field in ARRAYS}
    changed = {
        "roots": (
            {"roots": [0, ~2], "first_output": [0, 0], "leaf_values": [[1.0], [2.0], [0]]},
            {},
        ),
        "first_output": ({"first_output": [1]}, {"n_outputs": 2}),
        "feature": ({"feature": [1]}, {"n_features": 2}),
        "threshold": ({"threshold": [0.25]}, {}),
        "decision": ({"decision": [DEFAULT_LEFT]}, {}),
        "left": ({"left": [~1], "right": [~0]}, {}),
        "right": ({"left": [~1], "right": [~0]}, {}),
        "set_start": ({"set_start": [0, 1, 2]}, {}),
        "set_words": ({"set_words": [0, 1]}, {}),
        "leaf_values": ({"leaf_values": [[1.0], [3.0]]}, {}),
        "link": ({}, {"link": "logistic"}),
        "sigmoid": ({}, {"sigmoid": 2.0}),
    }
    new_arrays, new_facts = changed[name]
    facts = {"n_features": 1, "n_outputs": 1} | new_facts
    assert FlatEnsemble.of(arrays | new_arrays, **facts).digest() != ensemble.digest()


def test_the_digest_is_the_same_in_every_process() -> None:
    known = "6b2bb04f9b2b76d12e57481e591a3ab129827bccd3ae3214625c3e59e3e039f2"
    assert constant([0.25, 0.5], n_features=3).digest() == known
