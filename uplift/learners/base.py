"""The seams of this room: what a fitted model answers, and what fits one booster."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Matrix: TypeAlias = npt.NDArray[np.float64]
Vector: TypeAlias = npt.NDArray[np.float64]
ArmVector: TypeAlias = npt.NDArray[np.integer]
Objective: TypeAlias = Literal["binary", "regression"]
Parameters: TypeAlias = Mapping[str, bool | int | float | str]


class CateModel(Protocol):
    """Answers from features alone; it never sees an arm or an outcome."""

    @property
    def version(self) -> str:
        """Names the content: two models with the same version give the same answers."""

    def expected_outcome(self, features: Matrix) -> Matrix:
        """Expected outcome in every arm, control first, shape (n, K + 1)."""

    def cate(self, features: Matrix) -> Matrix:
        """Expected outcome of every treatment minus that of control, shape (n, K)."""


class BoosterTrainer(Protocol):
    """Fits one booster; where the rows are and how many machines help is its own business."""

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
        """The fitted booster as LightGBM's model text.

        Args:
            features: Shape (n, d); NaN is missing.
            outcome: Shape (n,); 0 or 1 for objective ``binary``.
            weight: Shape (n,), or None for equal weights.
            objective: ``binary`` for probabilities, ``regression`` for means.
            parameters: LightGBM parameters beyond those that the trainer sets itself.
            rounds: Number of trees.
            categorical: Columns whose numbers are categories.
            seed: Of every random choice.
            init_score: Where each row starts, on the scale of the sum of leaves, shape (n,); it is
                no part of the booster. None: everybody at the best constant, which is.
            increasing: Numeric columns in which the answer must never fall.
        """
