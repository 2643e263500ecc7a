"""The rows a learner learns from, checked before anything is fitted."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from uplift.errors import ContractError, ExperimentError, OverlapError
from uplift.learners.base import ArmVector, Matrix, Vector
from uplift.learners.peers import ALONE, Peers, total

TOLERANCE = 1e-6  # of chances, which a log may have rounded


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What an experiment tells about one outcome: one row per unit, all arms together.

    The rows may be a share of a larger log, the rest of which lies with ``peers``. Then all peers
    call the same methods in the same order, and those that speak of the log ask all of them.

    Attributes:
        features: Shape (n, d), float64; NaN is a value that is not known.
        arm: The arm drawn, shape (n,), 0 is control.
        outcome: What happened, shape (n,).
        propensity: Chance of the arm drawn, shape (n,), in (0, 1].
        weight: How many units a row stands for, shape (n,); None: one each.
        cluster: The randomisation unit of each row, as text, shape (n,); None: each row its own.
        propensities: Chance of every arm, shape (n, K + 1), for logs in which it differs between
            units; None: ``propensity`` says it all.
        peers: Who holds the other rows.

    Raises:
        ContractError: Lengths differ, arms are no integers, or a value is no number.
        OverlapError: A propensity lies outside (0, 1], or chances of every arm do not belong to
            the chance of the arm drawn.
    """

    features: Matrix
    arm: ArmVector
    outcome: Vector
    propensity: Vector
    weight: Vector | None = None
    cluster: npt.NDArray[np.object_] | None = None
    propensities: Matrix | None = None
    peers: Peers = ALONE

    def __post_init__(self) -> None:
        columns = {"arm": self.arm, "outcome": self.outcome, "propensity": self.propensity}
        if self.weight is not None:
            columns["weight"] = self.weight
        _check_lengths(self.features, columns)
        if len(self.features) == 0 and self.peers.size == 1:
            raise ExperimentError("there is not one training row. Check `inputs` and `campaign`.")
        if self.arm.dtype.kind not in "iu":
            raise ContractError(
                f"the arm is {self.arm.dtype}; learning needs integers, 0 for control. Map names "
                "to numbers with `Arms.numbers`."
            )
        for name, values in columns.items():
            _check_finite(name, values)
        impossible = (self.propensity <= 0.0) | (self.propensity > 1.0)
        if impossible.any():
            raise OverlapError(
                f"a propensity is {self.propensity[impossible][0]}, outside (0, 1], in "
                f"{_of(impossible)} rows. Correct the assignment table, or set "
                "`campaign.planned_shares` and leave the column out."
            )
        if self.weight is not None and (self.weight <= 0.0).any():
            raise ContractError(
                f"a weight is not positive in {_of(self.weight <= 0.0)} rows. Leave these rows out."
            )
        if self.cluster is not None:
            _check_lengths(self.features, {"cluster": self.cluster})
        if self.propensities is not None:
            _check_propensities(self.propensities, self.arm, self.propensity)

    @property
    def n_rows(self) -> int:
        """n: how many units were observed, peers' left out."""
        return len(self.outcome)

    def where(self, rows: npt.NDArray[np.bool_]) -> "TrainingData":
        """The chosen rows, rows of shape (n,)."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        peers = columns.pop("peers")
        given = {name: values[rows] for name, values in columns.items() if values is not None}
        return TrainingData(**given, peers=peers)

    def counts(self, numbers: npt.NDArray[np.integer], n_numbers: int) -> npt.NDArray[np.int64]:
        """How many rows of the log have each number 0..n_numbers - 1; numbers of shape (n,)."""
        here = np.bincount(numbers, minlength=n_numbers).astype(np.float64)
        return total(here, self.peers).astype(np.int64)

    def average(self, values: Vector, weight: Vector | None = None) -> float:
        """The weighted mean over all rows of the log; values and weight of shape (n,)."""
        weighted = values if weight is None else values * weight
        heads = float(len(values)) if weight is None else weight.sum()
        of_all, heads_of_all = total(np.array([weighted.sum(), heads]), self.peers)
        return float(of_all / heads_of_all)

    def weighted_by(self, factor: Vector | None) -> Vector | None:
        """Row weights times ``factor``, where either is given."""
        if factor is None or self.weight is None:
            return self.weight if factor is None else factor
        return self.weight * factor

    def require_arms(self, n_arms: int, *, at_least: int) -> None:
        """Every arm 0..n_arms-1 must have ``at_least`` rows, and no other arm may occur.

        Raises:
            ContractError: An arm number is none of the campaign's.
            ExperimentError: An arm has too few rows to learn from.
        """
        unknown = (self.arm < 0) | (self.arm >= n_arms)
        if unknown.any():
            raise ContractError(
                f"arm {int(self.arm[unknown][0])} occurs in {_of(unknown)} rows; the campaign has "
                f"arms 0 to {n_arms - 1}. Run jobs/build_training_set again."
            )
        counts = self.counts(self.arm, n_arms)
        if counts.min() < at_least:
            worst = int(counts.argmin())
            raise ExperimentError(
                f"arm {worst} has {counts[worst]} of {counts.sum()} training rows; learning needs "
                f"at least {at_least} in every arm (counts: {counts.tolist()}). Take a larger log, "
                "or name the arm in `campaign.ignore_arms`."
            )

    def require_binary(self) -> None:
        """The outcome must be 0 or 1 in every row, as a conversion is."""
        strange = (self.outcome != 0.0) & (self.outcome != 1.0)
        if strange.any():
            raise ContractError(
                f"the conversion is {self.outcome[strange][0]} in {_of(strange)} rows; it must be "
                "0 or 1. Name the right column in `inputs.flat_log.conversion`."
            )


def _check_lengths(features: Matrix, columns: Mapping[str, npt.NDArray[np.generic]]) -> None:
    if features.ndim != 2 or features.dtype != np.float64:
        raise ContractError(
            f"the features are {features.dtype} of shape {features.shape}; learning needs float64 "
            "of shape (n, d). Encode them with a FeatureEncoder."
        )
    wrong = {
        name: values.shape for name, values in columns.items() if values.shape != features.shape[:1]
    }
    if wrong:
        raise ContractError(
            f"the features have {len(features)} rows, other columns have another shape: {wrong}."
        )


def _check_propensities(propensities: Matrix, arm: ArmVector, propensity: Vector) -> None:
    if propensities.ndim != 2 or len(propensities) != len(arm):
        raise ContractError(
            f"chances of every arm have shape {propensities.shape}; {len(arm)} rows need one "
            "number per arm each."
        )
    inside = (arm >= 0) & (arm < propensities.shape[1])
    drawn = propensities[np.arange(len(arm)), np.where(inside, arm, 0)]
    impossible = ~((propensities > 0.0) & (propensities < 1.0)).all(axis=1)
    impossible |= np.abs(propensities.sum(axis=1) - 1.0) > TOLERANCE
    impossible |= ~inside | (np.abs(drawn - propensity) > TOLERANCE)
    if impossible.any():
        raise OverlapError(
            f"chances of every arm are {propensities[impossible][0].tolist()} in {_of(impossible)} "
            "rows; they must lie in (0, 1), add up to 1, and agree with the propensity of the arm "
            "drawn. Correct the assignment table, or leave these rows out."
        )


def _check_finite(name: str, values: npt.NDArray[np.generic]) -> None:
    strange = ~np.isfinite(values)
    if strange.any():
        raise ContractError(
            f"the {name} is {values[strange][0]} in {_of(strange)} rows. Leave these rows out of "
            "the training set, or give a number (0 where nothing happened)."
        )


def _of(where: npt.NDArray[np.bool_]) -> str:
    return f"{int(where.sum())} of {where.size}"
