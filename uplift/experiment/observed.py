"""A log whose arms nobody drew by chance: what was known, done and seen of each unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from uplift.errors import ContractError, ExperimentError
from uplift.hashing import hash_uniforms

Matrix: TypeAlias = npt.NDArray[np.float64]
Vector: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Rows: TypeAlias = npt.NDArray[np.bool_]

FEWEST_UNITS = 20  # per arm; with fewer no model of the arm can be checked on other rows


@dataclass(frozen=True, eq=False)
class ObservedLog:
    """One outcome of n units, with all that may have decided who got which arm.

    Attributes:
        features: Known before the arm was given, shape (n, d); NaN is a missing value.
        arm: Shape (n,), 0 is control.
        outcome: Shape (n,).
        cluster: Number of each unit's cluster (units that share a fate), shape (n,).
        fold: Shape (n,); a row is never judged by a model that saw its fold.
        folds: How many folds there are.
        n_arms: K + 1.
        categorical: The columns of ``features`` that hold codes, not quantities.
    """

    features: Matrix
    arm: Integers
    outcome: Vector
    cluster: Integers
    fold: Integers
    folds: int
    n_arms: int
    categorical: tuple[int, ...] = ()

    @property
    def n(self) -> int:
        """How many units there are."""
        return len(self.arm)

    def where(self, rows: Rows) -> "ObservedLog":
        """The same log about some of its units only."""
        return replace(
            self,
            features=self.features[rows],
            arm=self.arm[rows],
            outcome=self.outcome[rows],
            cluster=self.cluster[rows],
            fold=self.fold[rows],
        )


def folds_of(cluster_ids: Sequence[str], *, folds: int, seed: int) -> Integers:
    """The fold of each unit, shape (n,), by the hash of its cluster.

    All units of a cluster share a fold, and a unit keeps its fold in any sample of the log.

    Examples:
        >>> folds_of(["ann", "bob", "ann"], folds=5, seed=1).tolist()
        [4, 1, 4]
    """
    uniform = hash_uniforms(cluster_ids, f"observational:{seed}:fold")
    return np.floor(uniform * folds).astype(np.int64)


def observed_logs(
    features: Matrix,
    arm: npt.ArrayLike,
    outcomes: Mapping[str, npt.ArrayLike],
    cluster_ids: Sequence[str],
    *,
    n_arms: int,
    folds: int,
    seed: int,
    categorical: Sequence[int] = (),
) -> dict[str, ObservedLog]:
    """A checked log per outcome, from columns in memory.

    Raises:
        ContractError: Lengths differ, a number is no number, no feature has a value, or an arm
            is none of 0..K.
        ExperimentError: An arm has too few units, overall or outside of one fold.
    """
    arms = np.asarray(arm)
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in outcomes.items()}
    _check_shapes(features, {"arm": arms, "cluster_id": np.asarray(cluster_ids), **columns})
    _check_values(features, arms, columns, n_arms)
    fold = folds_of(cluster_ids, folds=folds, seed=seed)
    arms = arms.astype(np.int64)
    check_arms(arms, fold, n_arms)
    _, cluster = np.unique(np.asarray(cluster_ids), return_inverse=True)
    return {
        name: ObservedLog(
            features=features,
            arm=arms,
            outcome=outcome,
            cluster=cluster.astype(np.int64),
            fold=fold,
            folds=folds,
            n_arms=n_arms,
            categorical=tuple(categorical),
        )
        for name, outcome in columns.items()
    }


def check_arms(arm: Integers, fold: Integers, n_arms: int) -> None:
    """Every arm must have units enough, and some outside of each fold.

    Raises:
        ExperimentError: One does not.
    """
    n = np.bincount(arm, minlength=n_arms)
    if n.min() < FEWEST_UNITS:
        worst = int(n.argmin())
        raise ExperimentError(
            f"arm {worst} has {n[worst]} of {arm.size} units; chances of arms are estimated from "
            f"at least {FEWEST_UNITS} units in every arm (counts: {n.tolist()}). Take a larger "
            "log, or name the arm in `campaign.ignore_arms`."
        )
    for one in np.unique(fold):
        outside = np.bincount(arm[fold != one], minlength=n_arms)
        if outside.min() == 0:
            worst = int(outside.argmin())
            raise ExperimentError(
                f"arm {worst} has all its {n[worst]} of {arm.size} units in fold {one}, so no "
                "other fold can tell its chances: too few clusters. Correct `cluster_id`, or "
                "change `experiment.observational.folds`."
            )


def _check_shapes(features: Matrix, columns: Mapping[str, npt.NDArray[np.generic]]) -> None:
    if features.ndim != 2 or features.dtype != np.float64 or not features.size:
        raise ContractError(
            f"the features are {features.dtype} of shape {features.shape}; adjusting needs "
            "float64 of shape (n, d), neither of them 0. Name features in `features`."
        )
    wrong = {name: c.shape for name, c in columns.items() if c.shape != features.shape[:1]}
    if wrong:
        raise ContractError(
            f"the features have {len(features)} rows, {len(wrong)} other columns another shape: "
            f"{wrong}. Bring all from the same rows of the training set."
        )


def _check_values(
    features: Matrix, arm: npt.NDArray[np.generic], outcomes: Mapping[str, Vector], n_arms: int
) -> None:
    if np.isnan(features).all():
        raise ContractError(
            f"none of {features.shape[1]} features has a value in any of {len(features)} rows; "
            "nothing could explain who got which arm. Check the sources of `features`."
        )
    if np.isinf(features).any():
        column = int(np.flatnonzero(np.isinf(features).any(axis=0))[0])
        n = int(np.isinf(features[:, column]).sum())
        raise ContractError(
            f"feature {column} is infinite in {n} of {len(features)} rows. Give null where the "
            "value is not known."
        )
    known = np.isin(arm, np.arange(n_arms))
    if not known.all():
        raise ContractError(
            f"arm {arm[~known][0]} occurs in {int((~known).sum())} of {arm.size} rows; the "
            f"campaign has arms 0 to {n_arms - 1}. Run jobs/build_training_set again."
        )
    for name, outcome in outcomes.items():
        strange = ~np.isfinite(outcome)
        if strange.any():
            raise ContractError(
                f"`{name}` is {outcome[strange][0]} in {int(strange.sum())} of {outcome.size} "
                "rows. Log it for every unit (0 where nothing happened)."
            )
