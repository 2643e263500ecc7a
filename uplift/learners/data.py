"""The rows a learner learns from, checked before anything is fitted."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.errors import ContractError, ExperimentError, OverlapError
from uplift.learners.base import ArmVector, Matrix, Vector


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What an experiment tells about one outcome: one row per unit, all arms together.

    Attributes:
        features: Shape (n, d), float64; NaN is a value that is not known.
        arm: The arm drawn, shape (n,), 0 is control.
        outcome: What happened, shape (n,).
        propensity: Chance of the arm drawn, shape (n,), in (0, 1].
        weight: How many units a row stands for, shape (n,); None: one each.

    Raises:
        ContractError: Lengths differ, arms are no integers, or a value is no number.
        OverlapError: A propensity lies outside (0, 1].
    """

    features: Matrix
    arm: ArmVector
    outcome: Vector
    propensity: Vector
    weight: Vector | None = None

    def __post_init__(self) -> None:
        columns = {"arm": self.arm, "outcome": self.outcome, "propensity": self.propensity}
        if self.weight is not None:
            columns["weight"] = self.weight
        _check_lengths(self.features, columns)
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

    @property
    def n_rows(self) -> int:
        """n: how many units were observed."""
        return len(self.outcome)

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
        counts = np.bincount(self.arm, minlength=n_arms)
        if counts.min() < at_least:
            worst = int(counts.argmin())
            raise ExperimentError(
                f"arm {worst} has {counts[worst]} of {self.n_rows} training rows; learning needs "
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
    if len(features) == 0:
        raise ExperimentError("there is not one training row. Check `inputs` and `campaign`.")


def _check_finite(name: str, values: npt.NDArray[np.generic]) -> None:
    strange = ~np.isfinite(values)
    if strange.any():
        raise ContractError(
            f"the {name} is {values[strange][0]} in {_of(strange)} rows. Leave these rows out of "
            "the training set, or give a number (0 where nothing happened)."
        )


def _of(where: npt.NDArray[np.bool_]) -> str:
    return f"{int(where.sum())} of {where.size}"
