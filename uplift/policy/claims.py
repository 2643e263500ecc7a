"""What each customer may claim from a budget, and at which slope."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.policy.assignment import draw
from uplift.policy.budget import nano_euro, spend_steps
from uplift.policy.cuts import Integers
from uplift.policy.published import Policy
from uplift.policy.value import Matrix, gain_and_cost


@dataclass(frozen=True)
class Claims:
    """Expected spend by slope; the budget serves the steepest claims first.

    Attributes:
        slope: Gain per euro, shape (m,); infinite for what explorers spend, who come first.
        nano_euro: Expected spend in 10^-9 euro, shape (m,).
    """

    slope: Matrix
    nano_euro: Integers


def claims_on_budget(
    policy: Policy,
    unit_ids: Sequence[str],
    expected_conversion: npt.ArrayLike,
    expected_revenue: npt.ArrayLike | None,
    contactable: npt.ArrayLike,
) -> Claims:
    """Claims of n units, for any part of the customers; arguments as for ``decide``.

    Who is held out or may not be contacted claims nothing. An explorer claims the expected cost of
    the arm drawn, whatever it gains. All others claim the steps of their hull.
    """
    gain, cost = gain_and_cost(expected_conversion, expected_revenue, value=policy.value)
    draws = draw(policy, unit_ids)
    is_open = np.asarray(contactable, dtype=np.bool_) & ~draws.is_held_out
    weighed, explorer = is_open & ~draws.is_explorer, np.flatnonzero(is_open & draws.is_explorer)
    steps = spend_steps(gain[weighed], cost[weighed])
    cost_of_arm = np.column_stack([np.zeros(len(cost)), cost])
    explored = cost_of_arm[explorer, draws.explored_arm[explorer]]
    return Claims(
        slope=np.concatenate([steps.slope, np.full(len(explored), np.inf)]),
        nano_euro=nano_euro(np.concatenate([steps.added_cost, explored])),
    )
