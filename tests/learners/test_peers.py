"""What concerns the whole log is the same for every peer, and what one process would say."""

import numpy as np
import pytest

from tests.learners.builders import ThreadPeers, eight_rows, share_of, together
from uplift.errors import ExperimentError
from uplift.learners.meta import fit_constant
from uplift.learners.nuisance import assign_folds, known_propensities, spread
from uplift.learners.peers import ALONE, gather, lowest, total


def test_arrays_of_different_length_are_gathered_in_the_order_of_peers() -> None:
    heard = together(3, lambda peers: gather(np.full((peers.rank, 2), float(peers.rank)), peers))
    for parts in heard:
        assert [part.tolist() for part in parts] == [[], [[1.0, 1.0]], [[2.0, 2.0]] * 2]


def test_sums_and_minima_are_the_same_for_all() -> None:
    values = [np.array([0.1, 4.0]), np.array([0.2, -4.0]), np.array([0.3, 1.0])]
    for added, smallest in together(
        3, lambda peers: (total(values[peers.rank], peers), lowest(values[peers.rank], peers))
    ):
        assert added.tolist() == [0.1 + 0.2 + 0.3, 1.0]
        assert smallest.tolist() == [0.1, -4.0]
    assert total(values[0], ALONE).tolist() == values[0].tolist()


def test_counts_averages_and_spreads_are_those_of_the_log() -> None:
    whole = eight_rows(weight=np.arange(1.0, 9.0), propensity=np.linspace(0.2, 0.9, 8))

    def ask(peers: ThreadPeers) -> tuple[object, ...]:
        share = share_of(whole, peers)
        return (
            share.counts(share.arm, 3).tolist(),
            share.average(share.outcome),
            share.average(share.outcome, share.weight),
            spread([share.propensity], share).tolist(),
            fit_constant(share, 3).predict(np.zeros((1, 2))).tolist(),
        )

    expected = (
        [4, 2, 2],
        0.5,
        pytest.approx(np.average(whole.outcome, weights=whole.weight)),
        [pytest.approx(0.7)],
        [pytest.approx(fit_constant(whole, 3).predict(np.zeros((1, 2)))[0].tolist())],
    )
    assert together(3, ask) == [expected] * 3


def test_rows_without_a_name_are_numbered_through_the_log() -> None:
    folds = together(3, lambda peers: assign_folds(share_of(eight_rows(), peers), 2, salt="1"))
    assert np.concatenate(folds).tolist() == assign_folds(eight_rows(), 2, salt="1").tolist()


def test_an_arm_is_large_enough_if_all_shares_of_it_are_together() -> None:
    together(2, lambda peers: share_of(eight_rows(), peers).require_arms(3, at_least=2))
    with pytest.raises(ExperimentError, match=r"arm 1 has 2 of 8 training rows"):
        together(2, lambda peers: share_of(eight_rows(), peers).require_arms(3, at_least=3))


def test_chances_that_differ_between_shares_vary() -> None:
    data = eight_rows(
        arm=np.array([0, 1] * 4), propensity=np.where(np.arange(8) < 4, 0.5, [0.25, 0.75] * 4)
    )
    chances = np.concatenate(
        together(2, lambda peers: known_propensities(share_of(data, peers), 2))
    )
    assert chances.tolist() == known_propensities(data, 2).tolist()
    assert chances[0, 1] == 0.5
    assert chances[-1, 1] == 0.75
