"""Learning problems and models small enough to check by head."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TypeVar

import numpy as np

from uplift.arms import Arms
from uplift.columns import CONVERSION, REVENUE
from uplift.ensemble import constant
from uplift.features.encoder import fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.learners.base import BoosterTrainer, Matrix, Objective, Parameters, Vector
from uplift.learners.data import TrainingData
from uplift.learners.model import UpliftModel
from uplift.learners.peers import Buffer, Peers
from uplift.learners.recipe import DEFAULTS, Options, Recipe

Answer = TypeVar("Answer")

ARMS = Arms(("no_coupon", "coupon_5", "coupon_10"))
ENCODER = fit_encoder(
    [FeatureColumn("age", "numeric"), FeatureColumn("city", "categorical")],
    {"city": ["Ulm", "Bonn"]},
)

ONE_LEAF = """tree
version=v4
num_class=1
num_tree_per_iteration=1
max_feature_idx={last}
objective={objective}
tree_sizes=1

Tree=0
num_leaves=1
num_cat=0
split_feature=
threshold=
decision_type=
left_child=
right_child=
leaf_value={value!r}
is_linear=0

end of trees
"""


class MeanTrainer:
    """A ``BoosterTrainer`` whose booster answers everybody with the weighted mean."""

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
        mean = float(np.average(outcome, weights=weight))
        is_binary = objective == "binary"
        return ONE_LEAF.format(
            last=features.shape[1] - 1,
            objective="binary sigmoid:1" if is_binary else "regression",
            value=float(np.log(mean / (1.0 - mean))) if is_binary else mean,
        )


def eight_rows(**changed: object) -> TrainingData:
    """Arms 0, 1, 2 with 4, 2 and 2 rows and mean outcomes 1/4, 1/2 and 1."""
    columns: dict[str, object] = {
        "features": np.zeros((8, 2)),
        "arm": np.array([0, 0, 0, 0, 1, 1, 2, 2]),
        "outcome": np.array([0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0]),
        "propensity": np.array([0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]),
    }
    return TrainingData(**(columns | changed))  # type: ignore[arg-type]


def recipe_of(
    trainer: BoosterTrainer | None = None,
    *,
    objective: Objective = "regression",
    parameters: Parameters | None = None,
    rounds: int = 1,
    categorical: Sequence[int] = (),
    min_arm_rows: int = 1,
    options: Options = DEFAULTS,
) -> Recipe:
    """Means for everybody, unless another trainer is given."""
    return Recipe(
        trainer=trainer or MeanTrainer(),
        objective=objective,
        parameters=parameters or {},
        rounds=rounds,
        categorical=categorical,
        seed=1,
        min_arm_rows=min_arm_rows,
        options=options,
    )


def constant_model(**changed: object) -> UpliftModel:
    """Conversion 0.1, 0.15, 0.3 and revenue 4, 5, 7 euro in the three arms, for everybody."""
    parts: dict[str, object] = {
        "arms": ARMS,
        "encoder": ENCODER,
        "ensembles": {
            CONVERSION: constant([0.1, 0.15, 0.3], n_features=2),
            REVENUE: constant([4.0, 5.0, 7.0], n_features=2),
        },
        "metadata": {"learner": "by hand"},
    }
    return UpliftModel(**(parts | changed))  # type: ignore[arg-type]


class ThreadPeers:
    """Peers that are threads of this process."""

    def __init__(self, rank: int, letters: list[Sequence[Buffer]], meeting: Barrier) -> None:
        self.rank = rank
        self.size = len(letters)
        self._letters = letters
        self._meeting = meeting

    def exchange(self, parts: Sequence[Buffer]) -> list[Buffer]:
        """Everybody writes, then everybody reads, then they may write again."""
        self._letters[self.rank] = [bytes(part) for part in parts]
        self._meeting.wait(60)
        heard = [letters[self.rank] for letters in self._letters]
        self._meeting.wait(60)
        return heard


def together(size: int, work: Callable[[ThreadPeers], Answer]) -> list[Answer]:
    """What ``work`` answers to each of the peers, who run it at once."""
    letters: list[Sequence[Buffer]] = [[]] * size
    meeting = Barrier(size)
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(work, [ThreadPeers(rank, letters, meeting) for rank in range(size)]))


def share_of(data: TrainingData, peers: Peers) -> TrainingData:
    """The part of the rows that lies with one of the peers: consecutive, and not of equal size."""
    cuts = np.linspace(0.0, 1.0, peers.size + 1) ** 1.5 * data.n_rows
    row = np.arange(data.n_rows)
    here = data.where((row >= cuts[peers.rank]) & (row < cuts[peers.rank + 1]))
    return replace(here, peers=peers)
