"""Were the arms drawn as planned, once for each unit, in time, and with a known chance?"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from uplift.arms import Arms
from uplift.config import ExperimentChecks
from uplift.experiment.checks.base import Check, grade, of_experiments
from uplift.experiment.counts import Counts, Vector, sample_ratio_mismatch

_SAME_PROPENSITY = 1e-9  # logged propensities of one arm that differ by less are the same


@dataclass(frozen=True)
class Draws:
    """What was drawn, and with what logged chance.

    Attributes:
        n: Randomisation units per arm, each counted in the arm it was in first, shape (K+1,).
        n_in_two_arms: Randomisation units that were seen in more than one arm.
        n_assignments: Assignments per arm, shape (K+1,).
        n_without_propensity: Assignments per arm without a logged chance, shape (K+1,).
        lowest_propensity: Lowest logged chance per arm, NaN where none is logged, shape (K+1,).
        highest_propensity: Highest, likewise.
        n_repeated: Assignments of a unit beyond its first one.
        n_after_last_event: Assignments later than all events; None where the log has no times.
        n_open: Assignments whose outcome window ends more than a day after the last event; None
            likewise.
        n_logged_afterwards: Assignments written down when their outcome window was over; None
            where the log does not say when it was written.
    """

    n: Counts
    n_in_two_arms: int
    n_assignments: Counts
    n_without_propensity: Counts
    lowest_propensity: Vector
    highest_propensity: Vector
    n_repeated: int = 0
    n_after_last_event: int | None = None
    n_open: int | None = None
    n_logged_afterwards: int | None = None

    @property
    def same_chances(self) -> bool:
        """Whether all units had the same chance of the same arm, as far as was logged."""
        spread = self.highest_propensity - self.lowest_propensity
        return bool(np.all(np.nan_to_num(spread) <= _SAME_PROPENSITY))


def planned_shares(shares: Vector | None, draws: Draws) -> tuple[Vector, str]:
    """Designed share of each arm, shape (K+1,), and where it is known from."""
    if shares is not None:
        return shares / shares.sum(), "planned"
    if draws.same_chances and not draws.n_without_propensity.any():
        return draws.lowest_propensity / draws.lowest_propensity.sum(), "logged"
    return np.full(draws.n.size, 1.0 / draws.n.size), "equal"


def draw_checks(
    arms: Arms, draws: Draws, shares: Vector, origin: str, limits: ExperimentChecks
) -> Iterable[Check]:
    """All checks of the draws; ``shares`` and ``origin`` as ``planned_shares`` gives them."""
    yield _sample_ratio(draws, shares, origin, limits)
    yield _one_arm_each(draws, limits)
    yield _repeated_assignments(draws, limits)
    yield _logged_propensities(draws)
    yield _propensity_floor(arms, draws, shares, limits)
    if draws.n_after_last_event is not None:
        yield _assigned_in_time(draws.n_after_last_event, draws)
    if draws.n_open is not None:
        yield _window_closed(draws.n_open, draws, limits)


def _sample_ratio(draws: Draws, shares: Vector, origin: str, limits: ExperimentChecks) -> Check:
    p_value = sample_ratio_mismatch(draws.n, shares).p_value
    sizes = ", ".join(f"{n:,}" for n in draws.n)
    expected = ", ".join(f"{n:,.0f}" for n in draws.n.sum() * shares)
    return Check(
        "sample_ratio",
        grade(
            p_value < limits.sample_ratio_p_value_warn, p_value < limits.sample_ratio_p_value_fail
        ),
        p_value,
        limits.sample_ratio_p_value_warn,
        f"the arms hold {sizes} randomisation units where {origin} shares make {expected}: chance "
        f"is that far off in {of_experiments(p_value)}",
    )


def _one_arm_each(draws: Draws, limits: ExperimentChecks) -> Check:
    n_drawn = int(draws.n.sum())
    share = draws.n_in_two_arms / n_drawn
    return Check(
        "one_arm_each",
        grade(draws.n_in_two_arms > 0, share > limits.two_arms_fail),
        share,
        limits.two_arms_fail,
        f"{draws.n_in_two_arms:,} of {n_drawn:,} randomisation units were seen in two arms",
    )


def _repeated_assignments(draws: Draws, limits: ExperimentChecks) -> Check:
    n = int(draws.n_assignments.sum())
    share = draws.n_repeated / n
    return Check(
        "repeated_assignments",
        grade(share > limits.repeated_assignments_warn, False),
        share,
        limits.repeated_assignments_warn,
        f"{draws.n_repeated:,} of {n:,} assignments repeat a unit that was assigned before; the "
        "first of each unit counts",
    )


def _logged_propensities(draws: Draws) -> Check:
    """All or none: where only some are logged, the others were perhaps drawn otherwise."""
    n, n_missing = int(draws.n_assignments.sum()), int(draws.n_without_propensity.sum())
    stand_in = "; the planned share of the arm stands in" if n_missing else ""
    return Check(
        "logged_propensities",
        grade(0 < n_missing < n, False),
        n_missing / n,
        0.0,
        f"{n_missing:,} of {n:,} assignments have no logged propensity{stand_in}",
    )


def _propensity_floor(arms: Arms, draws: Draws, shares: Vector, limits: ExperimentChecks) -> Check:
    stand_in = np.where(draws.n_without_propensity > 0, shares, np.inf)
    lowest = np.fmin(draws.lowest_propensity, stand_in)
    k = int(np.argmin(lowest))
    return Check(
        "propensity_floor",
        grade(False, bool(lowest[k] < limits.propensity_floor)),
        float(lowest[k]),
        limits.propensity_floor,
        f"the lowest propensity is {lowest[k]:.4g}, in arm {arms.names[k]!r}",
    )


def _assigned_in_time(n_late: int, draws: Draws) -> Check:
    """An outcome before the assignment is no fault: buyers are drawn too, and buy again.

    What cannot be is an assignment that no event follows, of anybody, and one that was written
    down when its outcome was already known.
    """
    n = int(draws.n_assignments.sum())
    afterwards = draws.n_logged_afterwards or 0
    told = f", {afterwards:,} were logged after their outcome window was over" * bool(afterwards)
    return Check(
        "assigned_in_time",
        grade(n_late + afterwards > 0, False),
        (n_late + afterwards) / n,
        0.0,
        f"{n_late:,} of {n:,} assignments are later than the last event, so their outcome is "
        f"unknown{told}",
    )


def _window_closed(n_open: int, draws: Draws, limits: ExperimentChecks) -> Check:
    n = int(draws.n_assignments.sum())
    share = n_open / n
    return Check(
        "window_closed",
        grade(share > limits.open_window_warn, share > limits.open_window_fail),
        share,
        limits.open_window_warn,
        f"the outcome window of {n_open:,} of {n:,} assignments ends after the last event, so part "
        "of their outcome is not in the log",
    )
