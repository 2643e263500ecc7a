"""A booster of many shares is the booster of one process with the same bins."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.learners.builders import ThreadPeers, together
from uplift.ensemble import FlatEnsemble, compile_lightgbm
from uplift.errors import ConfigError, ExperimentError, PeerLostError
from uplift.learners.base import BoosterTrainer, Matrix, Parameters, Vector
from uplift.learners.boosting import LocalTrainer
from uplift.learners.peers import Buffer, Peers
from uplift.learners.together import PeerTrainer

N_ROWS = 3000
# Limits on hessians, which peers know exactly, not on rows.
BY_HESSIAN: Parameters = {
    "learning_rate": 0.1,
    "num_leaves": 15,
    "feature_fraction": 0.6,
    "min_data_in_leaf": 1,
    "min_sum_hessian_in_leaf": 10.0,
}
BY_ROWS: Parameters = {"learning_rate": 0.1, "num_leaves": 15, "feature_fraction": 0.6}


@dataclass(frozen=True)
class Rows:
    features: Matrix
    outcome: Vector
    weight: Vector | None = None
    init_score: Vector | None = None

    def train(self, trainer: BoosterTrainer, rows: Any = slice(None), **changed: Any) -> str:
        settings: dict[str, Any] = {
            "objective": "binary",
            "parameters": BY_HESSIAN,
            "rounds": 15,
            "categorical": (),
            "seed": 7,
        }
        return trainer.train(
            self.features[rows],
            self.outcome[rows],
            weight=None if self.weight is None else self.weight[rows],
            init_score=None if self.init_score is None else self.init_score[rows],
            **(settings | changed),
        )


def log_of(n_rows: int = N_ROWS) -> Rows:
    """Missing values, a column of 6 values, weights."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(n_rows, 5))
    features[:, 3] = rng.integers(0, 6, n_rows)
    features[rng.random(features.shape) < 0.05] = np.nan
    score = np.nan_to_num(features[:, 0]) + np.nan_to_num(features[:, 3]) % 2
    outcome = (score + rng.normal(size=n_rows) > 0.5).astype(np.float64)
    return Rows(features, outcome, rng.uniform(1.0, 3.0, n_rows))


def shares(size: int, n_rows: int = N_ROWS) -> list[npt.NDArray[np.int64]]:
    """Consecutive and not of equal size."""
    return np.split(np.arange(n_rows), [n_rows * (i + 1) // (size + 2) for i in range(size - 1)])


def train_together(log: Rows, size: int, **changed: Any) -> list[FlatEnsemble]:
    cut = shares(size, len(log.outcome))
    bin_rows = changed.pop("bin_rows", N_ROWS)
    texts = together(
        size,
        lambda peers: log.train(PeerTrainer(peers, bin_rows=bin_rows), cut[peers.rank], **changed),
    )
    return [compile_lightgbm(text) for text in texts]


def assert_same(ours: Sequence[FlatEnsemble], theirs: FlatEnsemble, log: Rows) -> None:
    assert len({ensemble.digest() for ensemble in ours}) == 1
    # Other shares add up in another order. Where no row of a leaf lies between two thresholds, they
    # are equally good, and last bits decide; so the answers are compared, on the rows learned from.
    assert len(ours[0].feature) == len(theirs.feature)
    np.testing.assert_allclose(ours[0].raw(log.features), theirs.raw(log.features), atol=1e-6)


@pytest.mark.parametrize("size", [2, 3])
def test_all_peers_get_the_booster_of_one_process(size: int) -> None:
    log = log_of()
    assert_same(train_together(log, size), compile_lightgbm(log.train(LocalTrainer())), log)


def test_by_least_squares_of_equal_rows_categories_and_limits_on_rows_agree_too() -> None:
    log = Rows(log_of().features, log_of().outcome)
    how: dict[str, Any] = {
        "objective": "regression",
        "parameters": BY_ROWS,
        "categorical": (3,),
    }
    one = compile_lightgbm(log.train(LocalTrainer(), **how))
    assert_same(train_together(log, 2, **how), one, log)


def test_starting_scores_and_monotone_columns_come_along() -> None:
    whole = log_of()
    log = Rows(whole.features, whole.outcome, whole.weight, np.nan_to_num(whole.features[:, 1]))
    one = compile_lightgbm(log.train(LocalTrainer(), increasing=(0, 1)))
    assert one.digest() != compile_lightgbm(log.train(LocalTrainer())).digest()
    assert_same(train_together(log, 2, increasing=(0, 1)), one, log)


def test_bins_come_from_one_sample_however_the_log_is_cut() -> None:
    log = log_of()
    one = compile_lightgbm(log.train(PeerTrainer(bin_rows=400)))
    assert one.digest() != compile_lightgbm(log.train(LocalTrainer())).digest()
    for size in (2, 3):
        assert_same(train_together(log, size, bin_rows=400), one, log)


def test_alone_it_is_the_local_trainer() -> None:
    log = log_of()
    texts = [log.train(trainer) for trainer in (PeerTrainer(), LocalTrainer())]
    assert len({compile_lightgbm(text).digest() for text in texts}) == 1


def test_the_same_shares_give_the_same_bits() -> None:
    first, again = (train_together(log_of(), 3, parameters=BY_ROWS)[0] for _ in range(2))
    assert first.digest() == again.digest()


def test_a_peer_without_rows_is_named_by_all() -> None:
    log = log_of()

    def train(peers: ThreadPeers) -> str:
        with pytest.raises(ExperimentError, match="task 1 of 2 has none of the 3000 rows"):
            log.train(PeerTrainer(peers), slice(0 if peers.rank == 0 else N_ROWS, None))
        return ""

    together(2, train)


def test_what_lightgbm_refuses_is_refused_by_all() -> None:
    with pytest.raises(ConfigError, match=r"LightGBM refuses .*num_leaves"):
        train_together(log_of(), 2, parameters={"num_leaves": 1})


class Mortal:
    """Peers of whom one is lost at an exchange."""

    def __init__(self, peers: Peers, exchanges_left: int) -> None:
        self.rank, self.size = peers.rank, peers.size
        self._peers = peers
        self._left = exchanges_left

    def exchange(self, parts: Sequence[Buffer]) -> list[Buffer]:
        self._left -= 1
        if self._left < 0:
            raise PeerLostError("task 1 is gone")
        return self._peers.exchange(parts)


@pytest.mark.parametrize("exchanges_left", [1, 10])  # while binning, and in a tree
def test_a_peer_that_is_lost_ends_training_with_its_error(exchanges_left: int) -> None:
    log = log_of()
    cut = shares(2)

    def train(peers: ThreadPeers) -> str:
        with pytest.raises(PeerLostError, match="task 1 is gone"):
            log.train(PeerTrainer(Mortal(peers, exchanges_left)), cut[peers.rank])
        return ""

    start = time.monotonic()
    together(2, train)
    assert time.monotonic() - start < 20.0  # no time-out was waited for
