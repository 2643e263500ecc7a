"""Effects of every training row from models that have not seen its randomisation unit."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from uplift.ensemble import FlatEnsemble
from uplift.learners.base import Matrix
from uplift.learners.data import TrainingData
from uplift.learners.nuisance import assign_folds


def held_out_effects(
    data: TrainingData,
    fit: Callable[[TrainingData], FlatEnsemble],
    *,
    n_folds: int,
    salt: str,
) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """Fit on all folds but one, answer for that one, and so on round.

    Effects of different folds come from different models: compare them within a fold only.

    Args:
        data: All rows.
        fit: Fits a learner on some of them; helper models are its own business.
        n_folds: How many models there will be.
        salt: Of the folds. With the salt of a learner's own cross-fitting the folds inside would
            be those outside.

    Returns:
        Effect of every treatment, shape (n, K), and the fold of every row, shape (n,).
    """
    order, parts = zip(*by_fold(data, fit, n_folds=n_folds, salt=salt), strict=True)
    effects = np.empty((data.n_rows, parts[0].shape[1]))
    effects[np.concatenate(order)] = np.concatenate(parts)
    return effects, assign_folds(data, n_folds, salt=salt)


def by_fold(
    data: TrainingData,
    fit: Callable[[TrainingData], FlatEnsemble],
    *,
    n_folds: int,
    salt: str,
) -> Iterator[tuple[npt.NDArray[np.int64], Matrix]]:
    """The same, a fold at a time, for those who may stop early.

    Yields:
        Row numbers of the fold, shape (m,), and their effects, shape (m, K).
    """
    fold = assign_folds(data, n_folds, salt=salt)
    for number in np.unique(fold):
        held_out = np.flatnonzero(fold == number)
        expected = fit(data.where(fold != number)).predict(data.features[held_out])
        yield held_out, expected[:, 1:] - expected[:, :1]
