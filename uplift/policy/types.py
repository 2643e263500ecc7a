"""How many of each response type there may be: from an experiment, and from observed choices.

Nobody sees a customer both with and without a coupon, so the shares of the four types are not
identified; what treated and untreated conversions leave open is one number, the share of
persuadables. Every bound here is sharp: both ends are reached by some population that shows just
these conversions. Li and Pearl (2019), "Unit selection based on counterfactual logic".
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.errors import ContractError
from uplift.policy.segments import LOST_CAUSE, PERSUADABLE, SLEEPING_DOG, SURE_THING
from uplift.policy.value import Matrix

_HAIR = 1e-12


@dataclass(frozen=True)
class Bounds:
    """The least and the greatest value that fit what was seen; arrays of one shape."""

    low: Matrix
    high: Matrix


@dataclass(frozen=True)
class PayOffs:
    """What it is worth to treat one customer of each type, in any unit.

    With 1 for a persuadable, -1 for a sleeping dog and 0 for the others, the benefit is just the
    effect of the treatment.
    """

    persuadable: float
    sure_thing: float
    lost_cause: float
    sleeping_dog: float


@dataclass(frozen=True)
class Observed:
    """What customers did who chose for themselves, beside the experiment; shares of all.

    The four add up to 1. Only for the same customers as in the experiment.
    """

    treated_converts: npt.ArrayLike
    treated_not: npt.ArrayLike
    untreated_converts: npt.ArrayLike
    untreated_not: npt.ArrayLike


def type_shares(
    treated: npt.ArrayLike,
    untreated: npt.ArrayLike,
    *,
    observed: Observed | None = None,
    monotone: bool = False,
) -> dict[str, Bounds]:
    """Bounds on the share of every type, by segment name.

    Args:
        treated: Share that converts if all are treated; one number per group of customers.
        untreated: Share that converts if nobody is, same shape.
        observed: Choices made freely, which tighten the bounds (Tian and Pearl 2000, "Probabilities
            of causation: bounds and identification", equation 25).
        monotone: Nobody is harmed: the shares are then known.

    Returns:
        Bounds that are not a number where the data contradict each other or ``monotone``.

    Examples:
        >>> type_shares([0.75], [0.5])["persuadable"]
        Bounds(low=array([0.25]), high=array([0.5]))
        >>> type_shares([0.75], [0.5], monotone=True)["persuadable"]
        Bounds(low=array([0.25]), high=array([0.25]))
    """
    p1, p0 = _share("treated", treated), _share("untreated", untreated)
    low, high = np.maximum(0.0, p1 - p0), np.minimum(p1, 1.0 - p0)
    if observed is not None:
        low, high = _tightened(low, high, p1, p0, observed)
    if monotone:
        high = np.minimum(high, p1 - p0)
    # a hair of rounding is no contradiction
    possible = low <= high + _HAIR
    low, high = (np.where(possible, side, np.nan) for side in (np.minimum(low, high), high))
    return {
        PERSUADABLE: Bounds(low, high),
        SURE_THING: Bounds(_at_least_0(p1 - high), _at_least_0(p1 - low)),
        LOST_CAUSE: Bounds(_at_least_0(1.0 - p0 - high), _at_least_0(1.0 - p0 - low)),
        SLEEPING_DOG: Bounds(_at_least_0(low - (p1 - p0)), _at_least_0(high - (p1 - p0))),
    }


def _tightened(
    low: Matrix, high: Matrix, p1: Matrix, p0: Matrix, observed: Observed
) -> tuple[Matrix, Matrix]:
    parts = {name: _share(name, values) for name, values in vars(observed).items()}
    whole = sum(parts.values(), np.zeros(()))
    if (np.abs(whole - 1.0) > 1e-6).any():
        raise ContractError(
            f"the four observed shares add up to {float(np.ravel(whole)[0]):g}, not to 1. Divide "
            "each count by all customers of its group."
        )
    converts = parts["treated_converts"] + parts["untreated_converts"]
    agree = parts["treated_converts"] + parts["untreated_not"]
    disagree = parts["treated_not"] + parts["untreated_converts"]
    return (
        np.maximum.reduce(np.broadcast_arrays(low, converts - p0, p1 - converts)),
        np.minimum.reduce(np.broadcast_arrays(high, agree, p1 - p0 + disagree)),
    )


def _at_least_0(values: Matrix) -> Matrix:
    clipped: Matrix = np.maximum(values, 0.0)
    return clipped


def benefit(
    treated: npt.ArrayLike,
    untreated: npt.ArrayLike,
    pay_offs: PayOffs,
    *,
    observed: Observed | None = None,
    monotone: bool = False,
) -> Bounds:
    """Bounds on the average pay-off of treating a group; arguments as for ``type_shares``.

    A positive effect is no proof of a benefit: treating sure things costs money too.

    Examples:
        >>> discount = PayOffs(100.0, sure_thing=-60.0, lost_cause=0.0, sleeping_dog=-140.0)
        >>> benefit([0.75], [0.5], discount)
        Bounds(low=array([-5.]), high=array([0.]))
    """
    shares = type_shares(treated, untreated, observed=observed, monotone=monotone)
    # a persuadable more is a sleeping dog more, a sure thing less and a lost cause less
    fewest = (
        pay_offs.persuadable * shares[PERSUADABLE].low
        + pay_offs.sleeping_dog * shares[SLEEPING_DOG].low
        + pay_offs.sure_thing * shares[SURE_THING].high
        + pay_offs.lost_cause * shares[LOST_CAUSE].high
    )
    most = (
        pay_offs.persuadable * shares[PERSUADABLE].high
        + pay_offs.sleeping_dog * shares[SLEEPING_DOG].high
        + pay_offs.sure_thing * shares[SURE_THING].low
        + pay_offs.lost_cause * shares[LOST_CAUSE].low
    )
    return Bounds(np.minimum(fewest, most), np.maximum(fewest, most))


def _share(name: str, values: npt.ArrayLike) -> Matrix:
    shares = np.asarray(values, dtype=np.float64)
    outside = ~((shares >= 0.0) & (shares <= 1.0))
    if outside.any():
        raise ContractError(
            f"{name} holds {shares[outside].flat[0]}, which is no share ({int(outside.sum())} of "
            f"{shares.size} groups). Give conversions per customer, between 0 and 1."
        )
    return shares
