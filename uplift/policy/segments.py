"""The four response segments, by what a coupon is expected to do to each customer."""

import numpy as np
import numpy.typing as npt

PERSUADABLE = "persuadable"  # a coupon pays
SURE_THING = "sure_thing"  # converts anyway
LOST_CAUSE = "lost_cause"  # converts hardly ever
SLEEPING_DOG = "sleeping_dog"  # every coupon does harm

SEGMENTS = (PERSUADABLE, SURE_THING, LOST_CAUSE, SLEEPING_DOG)


def assign_segments(
    expected_conversion: npt.ArrayLike,
    best_net_value: npt.ArrayLike,
    *,
    sure_thing_conversion: float,
    harm_tolerance: float,
) -> npt.NDArray[np.str_]:
    """Name the segment of each unit.

    A persuadable is worth a coupon. Of the others, a sleeping dog is one for whom even the kindest
    coupon lowers the chance of converting by more than ``harm_tolerance``; the rest convert anyway
    or not at all. The names describe point estimates: a unit near a border may well belong next
    door.

    Args:
        expected_conversion: Chance of converting in arms 0..K, shape (n, K + 1).
        best_net_value: Net value of each unit's best coupon at shadow price 0, euro, shape (n,).
        sure_thing_conversion: A chance without coupon from which on a unit converts anyway.
        harm_tolerance: Harm up to this size is taken for noise.

    Examples:
        >>> assign_segments(
        ...     [[0.1, 0.3], [0.4, 0.3], [0.4, 0.4], [0.1, 0.1]],
        ...     best_net_value=[2.0, -1.0, -1.0, 0.0],
        ...     sure_thing_conversion=0.2,
        ...     harm_tolerance=0.01,
        ... ).tolist()
        ['persuadable', 'sleeping_dog', 'sure_thing', 'lost_cause']
    """
    conversion = np.asarray(expected_conversion, dtype=np.float64)
    control = conversion[:, 0]
    kindest_effect = conversion[:, 1:].max(axis=1) - control
    anyway = np.where(control >= sure_thing_conversion, SURE_THING, LOST_CAUSE)
    unpaid = np.where(kindest_effect < -harm_tolerance, SLEEPING_DOG, anyway)
    return np.where(np.asarray(best_net_value) > 0.0, PERSUADABLE, unpaid)
