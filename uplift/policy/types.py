"""How many of each response type there may be, from an experiment alone.

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


def type_shares(treated: npt.ArrayLike, untreated: npt.ArrayLike) -> dict[str, Bounds]:
    """Bounds on the share of every type, by segment name.

    Args:
        treated: Share that converts if all are treated; one number per group of customers.
        untreated: Share that converts if nobody is, same shape.

    Examples:
        >>> type_shares([0.75], [0.5])["persuadable"]
        Bounds(low=array([0.25]), high=array([0.5]))
    """
    p1, p0 = _share("treated", treated), _share("untreated", untreated)
    return {
        PERSUADABLE: Bounds(np.maximum(0.0, p1 - p0), np.minimum(p1, 1.0 - p0)),
        SURE_THING: Bounds(np.maximum(0.0, p1 + p0 - 1.0), np.minimum(p1, p0)),
        LOST_CAUSE: Bounds(np.maximum(0.0, 1.0 - p1 - p0), np.minimum(1.0 - p1, 1.0 - p0)),
        SLEEPING_DOG: Bounds(np.maximum(0.0, p0 - p1), np.minimum(p0, 1.0 - p1)),
    }


def benefit(treated: npt.ArrayLike, untreated: npt.ArrayLike, pay_offs: PayOffs) -> Bounds:
    """Bounds on the average pay-off of treating a group; arguments as for ``type_shares``.

    A positive effect is no proof of a benefit: treating sure things costs money too.

    Examples:
        >>> discount = PayOffs(100.0, sure_thing=-60.0, lost_cause=0.0, sleeping_dog=-140.0)
        >>> benefit([0.75], [0.5], discount)
        Bounds(low=array([-5.]), high=array([0.]))
    """
    shares = type_shares(treated, untreated)
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
