import numpy as np
import pytest

from tests.ensemble.builders import random_ensemble, strange_rows
from uplift.ensemble import FlatEnsemble, constant, stack
from uplift.ensemble.flat import ARRAYS
from uplift.errors import ContractError


def test_a_constant_answers_everybody_alike() -> None:
    ensemble = constant([0.1, -0.3], n_features=2)
    assert ensemble.predict(np.array([[np.nan, 1.0], [0.0, 2.0]])).tolist() == [[0.1, -0.3]] * 2


@pytest.mark.parametrize("most_leaves", [8, 80])
def test_a_stack_answers_what_its_parts_answer_side_by_side(most_leaves: int) -> None:
    rng = np.random.default_rng(1)
    parts = [random_ensemble(rng, n_outputs=n, most_leaves=most_leaves) for n in (1, 2, 1)]
    parts.insert(1, constant([7.0], n_features=3))
    rows = strange_rows(rng, 30, 3)
    together = stack(parts)
    assert together.n_outputs == 5
    assert together.raw(rows).tolist() == np.hstack([part.raw(rows) for part in parts]).tolist()


def test_vector_leaves_stack_too() -> None:
    rng = np.random.default_rng(2)
    parts = [random_ensemble(rng, n_outputs=2, width=2) for _ in range(2)]
    rows = strange_rows(rng, 30, 3)
    expected = np.hstack([part.raw(rows) for part in parts])
    assert stack(parts).raw(rows).tolist() == expected.tolist()


def test_a_stack_of_one_is_that_one() -> None:
    only = random_ensemble(np.random.default_rng(3))
    assert stack([only]).digest() == only.digest()


def logistic() -> FlatEnsemble:
    arrays = {name: getattr(constant([1.0], n_features=2), name) for name in ARRAYS}
    return FlatEnsemble.of(arrays, n_features=2, n_outputs=1, link="logistic")


@pytest.mark.parametrize("other", [constant([1.0], n_features=3), logistic()])
def test_parts_that_do_not_match_are_not_stacked(other: FlatEnsemble) -> None:
    with pytest.raises(ContractError, match=r"must have the same .* these 2 have"):
        stack([constant([1.0], n_features=2), other])


def test_a_stack_keeps_the_link() -> None:
    assert stack([logistic(), logistic()]).link == "logistic"
