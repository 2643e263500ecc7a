import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uplift.experiment.split import TEST, TRAIN, split_of
from uplift.hashing import hash_uniform

IDS = [f"unit-{i}" for i in range(20_000)]


def test_a_unit_is_held_out_if_its_draw_is_below_the_share():
    ids = ["ann", "bob", "zoë", "顧客-7", ""]
    expected = [TEST if hash_uniform(unit, "s") < 0.4 else TRAIN for unit in ids]
    assert split_of(ids, test_share=0.4, salt="s").tolist() == expected


@given(ids=st.lists(st.text(st.characters(codec="utf-8")), unique=True), seed=st.randoms())
def test_neither_order_nor_company_moves_a_unit_to_the_other_side(ids, seed):
    alone = {unit: split_of([unit], test_share=0.5, salt="s")[0] for unit in ids}
    seed.shuffle(ids)
    together = split_of(ids, test_share=0.5, salt="s").tolist()
    assert together == [alone[unit] for unit in ids]


def test_all_units_of_a_cluster_land_on_one_side():
    sides = split_of(["household-1"] * 5, test_share=0.5, salt="s")
    assert len(set(sides.tolist())) == 1


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_the_held_out_share_is_the_share_asked_for_within_four_standard_errors(share):
    held_out = np.mean(split_of(IDS, test_share=share, salt="s") == TEST)
    standard_error = np.sqrt(share * (1 - share) / len(IDS))
    assert abs(held_out - share) < 4 * standard_error


def test_another_salt_is_an_independent_split():
    one = split_of(IDS, test_share=0.5, salt="a") == TEST
    other = split_of(IDS, test_share=0.5, salt="b") == TEST
    both = np.mean(one & other)
    assert abs(both - 0.25) < 4 * np.sqrt(0.25 * 0.75 / len(IDS))


def test_a_larger_share_only_adds_to_those_held_out():
    few = split_of(IDS, test_share=0.1, salt="s") == TEST
    many = split_of(IDS, test_share=0.3, salt="s") == TEST
    assert not np.any(few & ~many)
