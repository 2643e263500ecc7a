"""Helper models: what to expect of a unit in each arm, and how likely it was to draw it.

A unit's helpers must not have seen its own outcome, or the effect learner takes their over-fitting
for an effect. So they are cross-fitted: each fold is answered by models of the other folds, and a
randomisation unit lies in one fold with all its rows (Chernozhukov et al. 2018, "Double/debiased
machine learning for treatment and structural parameters").
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL
from uplift.errors import ExperimentError, OverlapError
from uplift.hashing import hash_keys
from uplift.learners.base import Matrix, Vector
from uplift.learners.data import TOLERANCE, TrainingData
from uplift.learners.peers import gather, lowest
from uplift.learners.recipe import Recipe

Folds = npt.NDArray[np.int64]

_WAY_OUT = (
    "Log `propensities` (a chance per arm) for every unit, or take `t_learner` or `s_learner`, "
    "which do without."
)


def assign_folds(data: TrainingData, n_folds: int, *, salt: str) -> Folds:
    """The fold of every row, 0..n_folds - 1, by the hash of its randomisation unit, shape (n,).

    Where rows were randomised one by one and carry no name, the row's number in the log is its
    name: peers' rows come in the order of peers.
    """
    if data.cluster is None:
        before = gather(np.array([float(data.n_rows)]), data.peers)[: data.peers.rank]
        first = int(sum(n_rows[0] for n_rows in before))
        units: Iterable[object] = range(first, first + data.n_rows)
    else:
        units = data.cluster
    keys = hash_keys(map(str, units), f"{salt}:fold")
    return (keys % np.uint64(n_folds)).astype(np.int64)


def cross_fitted_outcomes(data: TrainingData, n_arms: int, recipe: Recipe) -> Matrix:
    """Expected outcome of every row in every arm, from models of other folds, shape (n, K + 1).

    Raises:
        ExperimentError: An arm has no rows outside one of the folds.
    """
    expected = np.empty((data.n_rows, n_arms))
    for held_out, rest in folds(data, n_arms, recipe):
        for arm in range(n_arms):
            learned = rest.where(rest.arm == arm)
            model = recipe.outcome_model(learned.features, learned.outcome, learned.weight)
            expected[held_out, arm] = model.predict(data.features[held_out])[:, 0]
    return expected


def cross_fitted_mean(data: TrainingData, n_arms: int, recipe: Recipe) -> Vector:
    """Expected outcome of every row whatever its arm, from models of other folds, shape (n,)."""
    expected = np.empty(data.n_rows)
    for held_out, rest in folds(data, n_arms, recipe):
        model = recipe.outcome_model(rest.features, rest.outcome, rest.weight)
        expected[held_out] = model.predict(data.features[held_out])[:, 0]
    return expected


def folds(
    data: TrainingData, n_arms: int, recipe: Recipe
) -> Iterator[tuple[npt.NDArray[np.bool_], TrainingData]]:
    """Each fold: which rows it holds, and the rows outside it.

    Raises:
        ExperimentError: An arm has no rows outside one of the folds.
    """
    n_folds = recipe.options.n_folds
    fold = assign_folds(data, n_folds, salt=str(recipe.seed))
    counts = data.counts(fold * n_arms + data.arm, n_folds * n_arms).reshape(n_folds, n_arms)
    counts, numbers = counts[counts.any(axis=1)], np.flatnonzero(counts.any(axis=1))
    is_lost = ((counts == counts.sum(axis=0)) & (counts > 0)).any(axis=0)
    if is_lost.any():
        arm = int(is_lost.argmax())
        raise ExperimentError(
            f"arm {arm} has all its rows in one of {len(numbers)} folds ({counts[:, arm].sum()} of "
            f"{counts.sum()} rows), so nothing can be learned for it outside. It was drawn for too "
            "few randomisation units: take a larger log, or name the arm in `campaign.ignore_arms`."
        )
    for number in numbers:
        yield fold == number, data.where(fold != number)


def known_propensities(data: TrainingData, n_arms: int) -> Matrix:
    """The chance of every arm for every row, as the experiment was designed, shape (n, K + 1).

    What the log gives for the arm drawn tells the others' chances if it depends on the arm alone,
    or if there are two arms. Rows of arms that were left out are left out of the chances too.

    Raises:
        OverlapError: The log does not tell the chances of the arms that were not drawn.
    """
    if data.propensities is not None:
        if data.propensities.shape[1] != n_arms:
            raise OverlapError(
                f"there are chances of {data.propensities.shape[1]} arms for {n_arms} arms. "
                "Run jobs/build_training_set again."
            )
        return data.propensities
    by_arm = [data.propensity[data.arm == arm] for arm in range(n_arms)]
    if (spread(by_arm, data) <= TOLERANCE).all():
        share = np.array([data.average(chances) for chances in by_arm])
        if share.sum() > 1.0 + n_arms * TOLERANCE:
            raise OverlapError(
                f"the chances of the arms are {share.round(4).tolist()}, more than 1 together, in "
                f"all {data.n_rows} rows. Correct the propensities, or set "
                "`campaign.planned_shares` and leave the column out."
            )
        return np.tile(share / share.sum(), (data.n_rows, 1))
    if n_arms > 2:
        raise OverlapError(
            f"the chance of the arm drawn varies between {data.propensity.min():.4g} and "
            f"{data.propensity.max():.4g} within an arm, which does not tell those of the other "
            f"{n_arms - 1} arms ({data.n_rows} rows). {_WAY_OUT}"
        )
    certain = data.propensity >= 1.0
    if certain.any():
        raise OverlapError(
            f"the arm drawn was certain in {int(certain.sum())} of {data.n_rows} rows. "
            "Leave these rows out of the training set."
        )
    treated = np.where(data.arm == CONTROL, 1.0 - data.propensity, data.propensity)
    return np.column_stack([1.0 - treated, treated])


def spread(columns: Iterable[Vector], data: TrainingData) -> Vector:
    """Largest less smallest number of each column over all rows of the log."""
    ends = [(values.min(initial=np.inf), -values.max(initial=-np.inf)) for values in columns]
    low, minus_high = lowest(np.array(ends), data.peers).T
    return np.asarray(-minus_high - low)


def against_control(propensities: Matrix, treatment: int) -> Vector:
    """Chance of the treatment among units that drew it or control, shape (n,).

    Examples:
        >>> against_control(np.array([[0.5, 0.25, 0.25]]), 1).round(4)
        array([0.3333])
    """
    chance = propensities[:, treatment]
    return np.asarray(chance / (chance + propensities[:, CONTROL]))


def pairs_with_control(
    data: TrainingData, n_arms: int
) -> Iterator[tuple[TrainingData, Vector, Vector]]:
    """For each treatment in turn, the rows that drew it or control.

    Yields:
        The rows; 1 for those that drew the treatment and 0 for control, shape (m,); and the chance
        of the treatment in the pair of arms, shape (m,).
    """
    propensities = known_propensities(data, n_arms)
    for treatment in range(1, n_arms):
        pair = (data.arm == CONTROL) | (data.arm == treatment)
        rows = data.where(pair)
        is_treated = (rows.arm == treatment).astype(np.float64)
        yield rows, is_treated, against_control(propensities[pair], treatment)
