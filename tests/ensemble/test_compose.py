import numpy as np
import pytest

from tests.ensemble.builders import random_ensemble, strange_rows
from uplift.ensemble import FlatEnsemble, clipped, combine, constant, stack
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
    return constant([1.0], n_features=2, link="logistic")


@pytest.mark.parametrize("other", [constant([1.0], n_features=3), logistic()])
def test_parts_that_do_not_match_are_not_stacked(other: FlatEnsemble) -> None:
    with pytest.raises(ContractError, match=r"must have the same .* these 2 have"):
        stack([constant([1.0], n_features=2), other])


def test_a_stack_keeps_the_link() -> None:
    assert stack([logistic(), logistic()]).link == "logistic"


@pytest.mark.parametrize("most_leaves", [8, 80])
def test_a_combination_weighs_the_sums_of_its_parts(most_leaves: int) -> None:
    rng = np.random.default_rng(4)
    parts = [random_ensemble(rng, n_outputs=1, most_leaves=most_leaves) for _ in range(3)]
    mix = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.5, -2.0, 3.0]])
    rows = strange_rows(rng, 30, 3)
    answer = combine(parts, mix).raw(rows)
    assert answer[:, 0].tolist() == parts[0].raw(rows)[:, 0].tolist()
    np.testing.assert_allclose(
        answer, np.hstack([part.raw(rows) for part in parts]) @ mix.T, rtol=0, atol=1e-12
    )


def test_a_combination_can_be_combined_again() -> None:
    one, two = (constant([value], n_features=1) for value in (1.0, 2.0))
    three = combine([one, two], [[1, 1]])
    assert combine([one, three], [[1, 0], [10, 1]]).predict(np.zeros((1, 1))).tolist() == [[1, 13]]


def test_the_link_comes_over_the_combination() -> None:
    half = combine([logistic(), constant([-1.0], n_features=2, link="logistic")], [[1.0, 1.0]])
    assert half.predict(np.zeros((1, 2))).tolist() == [[0.5]]


@pytest.mark.parametrize(
    "other", [constant([1.0], n_features=3), logistic(), constant([1.0, 2.0], n_features=2)]
)
def test_parts_that_do_not_match_are_not_added_up(other: FlatEnsemble) -> None:
    with pytest.raises(ContractError, match=r"must have the same .* these 2 have"):
        combine([constant([1.0], n_features=2), other], [[1.0, 1.0]])


def test_every_part_needs_a_weight() -> None:
    with pytest.raises(ContractError, match=r"weights of shape \(1, 1\) do not fit 2 ensembles"):
        combine([logistic(), logistic()], [[1.0]])


def test_a_clipped_answer_is_a_chance() -> None:
    rows = np.zeros((1, 1))
    ensemble = clipped(constant([-0.2, 0.3, 1.4], n_features=1))
    assert ensemble.predict(rows).tolist() == [[0.0, 0.3, 1.0]]
    assert ensemble.raw(rows).tolist() == [[-0.2, 0.3, 1.4]]


def test_only_sums_are_clipped() -> None:
    with pytest.raises(ContractError, match=r"only sums can be clipped.*logistic"):
        clipped(logistic())
