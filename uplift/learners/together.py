"""One LightGBM booster from rows that lie with several peers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.errors import ExperimentError
from uplift.learners.base import Matrix, Objective, Parameters, Vector
from uplift.learners.boosting import booster_settings, names_of, refusals_named
from uplift.learners.network import train_in_step
from uplift.learners.peers import ALONE, Peers, gather, total

BIN_SAMPLE_ROWS = 200_000  # LightGBM's own default


@dataclass(frozen=True)
class PeerTrainer:
    """Trains with LightGBM on the rows of all peers. A ``BoosterTrainer``.

    All peers agree on the bins of the features first: from all rows, or from ``bin_rows`` of them
    that lie at equal steps in the order of the log (peer after peer, each with its rows in order).
    So cutting the same order elsewhere changes no bin, and the trees are those of one process with
    these bins, which ``PeerTrainer`` alone is; up to ``bin_rows`` rows, those of ``LocalTrainer``.
    Sums are added up in the order of peers: the same rows in the same shares give the same bits;
    other shares may differ in the last bit of a sum, and so between splits that are equally good.

    It is as good a model, but not that of one process, where LightGBM itself lets peers differ.
    With ``bagging_fraction`` each draws among its own rows; with ``extra_trees`` and
    ``feature_fraction_bynode`` for its own features. One process counts the rows of a leaf, peers
    know them from sums of hessians, which are not counts where rows do not weigh the same (a
    ``binary`` objective, or weights): then limits on the rows of a leaf or a category, where they
    bind, and splits of categories can differ, and so can monotone columns beside categories.

    Attributes:
        peers: Who holds the other rows.
        num_threads: Of each peer; for speed only.
        bin_rows: How many rows are looked at for bins; each peer holds all of them for a moment.
    """

    peers: Peers = ALONE
    num_threads: int = 1
    bin_rows: int = BIN_SAMPLE_ROWS

    def train(
        self,
        features: Matrix,
        outcome: Vector,
        *,
        weight: Vector | None,
        objective: Objective,
        parameters: Parameters,
        rounds: int,
        categorical: Sequence[int],
        seed: int,
        init_score: Vector | None = None,
        increasing: Sequence[int] = (),
    ) -> str:
        """The fitted booster as LightGBM's model text, the same for every peer.

        Raises:
            ConfigError: A parameter is wrong.
            ExperimentError: A peer has no rows for this booster.
            PeerLostError: A peer is gone or silent.
        """
        import lightgbm  # here, because it hangs in processes forked after its import

        sample, is_all = self._bin_sample(features)
        settings = booster_settings(
            parameters,
            objective=objective,
            seed=seed,
            num_threads=self.num_threads,
            increasing=increasing,
            n_features=features.shape[1],
        )
        settings["bin_construct_sample_cnt"] = len(sample)
        if not is_all:  # it would ask the sample for as many rows as a leaf of the log must have
            settings["feature_pre_filter"] = False
        if self.peers.size > 1:
            settings |= {
                "tree_learner": "data",
                "num_machines": self.peers.size,
                "pre_partition": True,
            }
        start = 0.0
        if objective == "regression" and init_score is None and self.peers.size > 1:
            # LightGBM would start at the mean of the peers' means, whatever their sizes.
            start = _average(outcome, weight, self.peers)
            init_score = np.full(len(outcome), start)
        names, categories = names_of(features), list(categorical)

        def bin_rows() -> lightgbm.Dataset:
            bins = lightgbm.Dataset(
                sample, params=settings, feature_name=names, categorical_feature=categories
            ).construct()
            rows = lightgbm.Dataset(
                features,
                outcome,
                weight=weight,
                init_score=init_score,
                reference=bins,
                params=bins.params,
                feature_name=names,
                categorical_feature=categories,
            )
            return rows.construct()

        def fit(rows: lightgbm.Dataset) -> str:
            booster = lightgbm.train(settings, rows, num_boost_round=rounds)
            if start:  # what all rows start at is part of this booster, in the leaves of a tree
                for leaf in range(
                    booster.dump_model(num_iteration=1)["tree_info"][0]["num_leaves"]
                ):
                    booster.set_leaf_output(0, leaf, booster.get_leaf_output(0, leaf) + start)
            return str(booster.model_to_string())

        with refusals_named(parameters):
            return train_in_step(self.peers, bin_rows, fit)

    def _bin_sample(self, features: Matrix) -> tuple[Matrix, bool]:
        """The rows that bins are made from, in the order of the log, and whether they are all."""
        counts = [int(n[0]) for n in gather(np.array([float(len(features))]), self.peers)]
        if min(counts) == 0:
            raise ExperimentError(
                f"task {counts.index(0)} of {len(counts)} has none of the {sum(counts)} rows that "
                "a booster learns from. Take fewer `training.workers`, or `trainer: local`."
            )
        first = sum(counts[: self.peers.rank])
        chosen = at_equal_steps(sum(counts), self.bin_rows) - first
        ours = chosen[(chosen >= 0) & (chosen < len(features))]
        if self.peers.size == 1 and len(ours) == len(features):
            return features, True
        sample = np.concatenate(gather(features[ours], self.peers))
        return sample, sum(counts) <= self.bin_rows


def _average(outcome: Vector, weight: Vector | None, peers: Peers) -> float:
    weights = np.ones(len(outcome)) if weight is None else weight
    weighted, heads = total(np.array([(outcome * weights).sum(), weights.sum()]), peers)
    return float(weighted / heads)


def at_equal_steps(n_rows: int, most: int) -> npt.NDArray[np.int64]:
    """At most ``most`` of the numbers 0..n_rows - 1, as far apart as they can be.

    Examples:
        >>> at_equal_steps(10, 4)
        array([0, 2, 5, 7])
        >>> at_equal_steps(3, 4)
        array([0, 1, 2])
    """
    n_chosen = min(n_rows, most)
    return np.arange(n_chosen, dtype=np.int64) * n_rows // n_chosen
