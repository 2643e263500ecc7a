"""What the search for splits is told, and what it answers."""

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Vector: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]


class Rules(NamedTuple):
    """What the search needs of the settings."""

    criterion: int
    min_leaf_rows: float
    min_arm_rows: float
    min_child_share: float
    shrinkage: float
    is_normalised: bool


class Splits(NamedTuple):
    """The best split of every node; ``feature`` is -1 where none is allowed and worth it.

    Attributes:
        feature: Shape (m,).
        split: The last of the feature's bins that goes low, shape (m,).
        missing_low: Whether missing values go low, shape (m,).
        gain: Shape (m,).
        low: Sums of the low child by arm, shape (m, n_arms, width).
    """

    feature: Integers
    split: Integers
    missing_low: Flags
    gain: Vector
    low: npt.NDArray[np.int64]
