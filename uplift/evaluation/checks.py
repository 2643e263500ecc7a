"""What rows must be before any sum of them could be trusted; numpy and Spark refuse the same."""

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL
from uplift.errors import ContractError, ExperimentError
from uplift.evaluation.resampling import Ints, Keys

FINITE = "give finite numbers, or leave these rows out"
RANGES = {
    "weight": "weights must be finite and positive",
    "propensity": "a propensity must lie strictly between 0 and 1; leave these rows out",
}


def check_rows(arm: Ints, *, n_arms: int, **values: npt.NDArray[np.float64 | np.uint64]) -> None:
    """Refuse rows that no sum could be trusted of: the first column amiss, with its extent."""
    n_rows = len(arm)
    lengths = {"arm": n_rows} | {name: len(column) for name, column in values.items()}
    if len(set(lengths.values())) > 1:
        raise ContractError(f"columns of different lengths {lengths}; give one value per row.")
    outside = (arm < CONTROL) | (arm >= n_arms)
    refuse("arm", arm[outside], n_rows, way_out=arms_range(n_arms))
    for name, column in values.items():
        amiss = ~np.isfinite(column)
        if name in ("weight", "propensity"):
            amiss |= column <= 0
        if name == "propensity":
            amiss |= column >= 1
        refuse(name, column[amiss], n_rows, way_out=RANGES.get(name, FINITE))
    check_every_arm(np.bincount(arm, minlength=n_arms))


def arms_range(n_arms: int) -> str:
    """Which arm numbers there are."""
    return f"the arms of `campaign.treatments` are numbered 0 (control) to {n_arms - 1}"


def refuse(name: str, amiss: npt.NDArray[np.generic], n_rows: int, *, way_out: str) -> None:
    """Name the first value amiss, how many there are, and the way out."""
    if len(amiss):
        raise amiss_error(name, amiss[0], len(amiss), n_rows, way_out=way_out)


def amiss_error(
    name: str, example: object, n_amiss: int, n_rows: int, *, way_out: str
) -> ContractError:
    """A column holds values that it must not."""
    return ContractError(f"{name} {example} in {n_amiss} of {n_rows} rows; {way_out}.")


def check_every_arm(rows_by_arm: Ints) -> None:
    """An arm without rows cannot be compared with anything."""
    if (rows_by_arm == 0).any():
        raise ExperimentError(
            f"arm {int(np.argmin(rows_by_arm))} has no rows to evaluate on; rows per arm are "
            f"{rows_by_arm.tolist()}. Check `campaign.treatments` and `training.test_share`."
        )


def check_one_arm_per_unit(keys: Keys, arm: Ints) -> None:
    """A randomisation unit is drawn once, with all its rows."""
    order = np.argsort(keys)
    keys, arm = keys[order], arm[order]
    torn = np.unique(keys[1:][(keys[1:] == keys[:-1]) & (arm[1:] != arm[:-1])])
    if len(torn):
        raise in_several_arms(f"with key {torn[0]}", len(torn), len(np.unique(keys)))


def in_several_arms(unit: str, n_torn: int, n_units: int) -> ExperimentError:
    """The randomisation unit is not what was randomised."""
    return ExperimentError(
        f"the randomisation unit {unit} has rows in several arms, as have {n_torn} of {n_units} "
        "units. Name the unit that was randomised as `cluster_id`, or leave these rows out."
    )
