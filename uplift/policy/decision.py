"""The one decision rule, for the nightly batch and for a single request."""

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL

ArmNumbers = npt.NDArray[np.intp]


def choose_arm(
    gain: npt.ArrayLike,
    cost: npt.ArrayLike,
    *,
    shadow_price: npt.ArrayLike = 0.0,
    eligible: npt.ArrayLike | None = None,
) -> ArmNumbers:
    """Pick for each unit the arm with the highest net value, or control.

    Column ``j`` of ``gain`` and ``cost`` belongs to arm ``j + 1``; arm 0 is control, which gains
    and costs nothing. A unit leaves control only for an arm that is strictly better, so a coupon
    never goes out on a tie.

    Args:
        gain: Expected incremental margin in euro, shape (n_units, n_treatments).
        cost: Expected spend in euro, same shape.
        shadow_price: What one more euro of budget would earn, one for all or one per unit, shape
            (n_units,); 0 when the budget does not bind.
        eligible: Whether the unit may get the arm, same shape; None: all may.

    Returns:
        The arm number of each unit.

    Examples:
        >>> choose_arm(gain=[[3.0, 5.0], [0.5, 0.2]], cost=[[1.0, 4.0], [1.0, 4.0]])
        array([1, 0])
    """
    euro_of_gain = 1.0 + np.asarray(shadow_price, dtype=np.float64)[..., None]
    net_value = np.asarray(gain) - euro_of_gain * np.asarray(cost)
    if eligible is not None:
        net_value = np.where(eligible, net_value, -np.inf)
    best = net_value.argmax(axis=1)
    worthwhile = net_value.max(axis=1) > 0.0
    return np.where(worthwhile, best + 1, CONTROL)
