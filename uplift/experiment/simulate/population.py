"""One block of customers, their assignment, and what every arm would have made of them.

A counterfactual has three steps (Pearl, *Causality*, 2nd ed., 2009, theorem 7.1.7): know the
noise, set the arm, follow the equations. Here the noise is known, for we drew it; so the outcomes
of all arms are computed, not estimated.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import numpy as np
import numpy.typing as npt
from scipy import special

from uplift.arms import CONTROL
from uplift.errors import ConfigError
from uplift.experiment.simulate.declaration import ARM, DRIFT, OUTCOME
from uplift.experiment.simulate.equations import choose
from uplift.experiment.simulate.formula import World
from uplift.experiment.simulate.noise import Noise, Vector
from uplift.experiment.simulate.scenario import Scenario

Codes = npt.NDArray[np.intp]
Micros = npt.NDArray[np.int64]
DAY = 86_400_000_000  # microseconds
UNITS_PER_BLOCK = 25_000  # a block of the retailer is about 25 MB


@dataclass(frozen=True)
class Response:
    """What a block of customers does when each is assigned some arm.

    Attributes:
        world: All nodes, those that listen to the arm included.
        conversion: 1.0 where the customer buys, shape (n,).
        revenue: Euro spent, shape (n,).
        chance: Probability of buying given all but the outcome's own noise, shape (n,).
        expected_revenue: Expected euro, given the same, shape (n,).
    """

    world: World
    conversion: Vector
    revenue: Vector
    chance: Vector
    expected_revenue: Vector


@dataclass(frozen=True)
class Population:
    """One block of customers with their noise, traits and assignment.

    Attributes:
        scenario: The model they come from.
        first: Number of the block's first customer.
        traits: The nodes that no arm can change.
        propensities: Chance of every arm, shape (n, K+1).
        arm: The arm drawn, shape (n,).
        exposed: Whether a coupon, if drawn, reaches the customer, shape (n,).
        assigned_at: Microseconds since 1970 (UTC), shape (n,).
    """

    scenario: Scenario
    first: int
    traits: World
    propensities: npt.NDArray[np.float64]
    arm: Codes
    exposed: npt.NDArray[np.bool_]
    assigned_at: Micros

    def factual(self) -> Response:
        """What happens: each customer is in the arm drawn."""
        return self._respond(self.arm)

    def potential(self, arm: str) -> Response:
        """What would happen if everybody were assigned ``arm``."""
        return self._respond(np.full(self.arm.shape, self.scenario.arms.number_of(arm)))

    def _respond(self, assigned: Codes) -> Response:
        values = {
            **self.traits.values,
            ARM: np.where(self.exposed, assigned, CONTROL).astype(np.float64),
        }
        world = World(values, self.scenario.levels, self.traits.noise)
        for name, equation in self.scenario.responses.items():
            values[name] = equation.draw(name, world)
        spend = self.scenario.declared.outcome.spend
        return Response(
            world=world,
            conversion=(values[OUTCOME] > 0.0).astype(np.float64),
            revenue=values[OUTCOME],
            chance=spend.chance_of(world),
            expected_revenue=spend.expected(world),
        )


def draw_population(scenario: Scenario, *, seed: int, block: int, n_units: int) -> Population:
    """The first ``n_units`` customers of a block; fewer are the beginning of more.

    Raises:
        ConfigError: More customers than a block has, or a number below its least value.
    """
    if seed < 0 or block < 0 or not 1 <= n_units <= UNITS_PER_BLOCK:
        raise ConfigError(
            f"seed={seed}, block={block}, n_units={n_units}: seeds and blocks count from 0, and a "
            f"block holds 1 to {UNITS_PER_BLOCK} customers; more customers need more blocks."
        )
    declared, knobs = scenario.declared.assignment, scenario.knobs
    shared = frozenset({*declared.household_shares, "~assignment"})
    noise = Noise(seed, block, n_units, knobs.household_size, shared)
    elapsed = (noise.uniform("~assignment/day") * declared.days * DAY).astype(np.int64)
    traits = _traits(scenario, noise, elapsed / (7 * DAY))
    propensities = _propensities(scenario, traits)
    return Population(
        scenario=scenario,
        first=block * UNITS_PER_BLOCK,
        traits=traits,
        propensities=propensities,
        arm=choose(propensities, noise.uniform("~assignment/arm")),
        exposed=noise.uniform("~assignment/exposed") >= knobs.not_exposed_share,
        assigned_at=midnight(declared.starts_at) + elapsed,
    )


def midnight(day: date) -> int:
    """Microseconds from 1970 to the start of a day (UTC).

    Examples:
        >>> midnight(date(1970, 1, 2)) == DAY
        True
    """
    return int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000


def _traits(scenario: Scenario, noise: Noise, weeks: Vector) -> World:
    drift = scenario.interventions.get(DRIFT)
    values = {
        DRIFT: np.full(noise.n, float(drift))
        if drift is not None
        else scenario.knobs.drift_per_week * weeks
    }
    world = World(values, scenario.levels, noise)
    for name, equation in scenario.traits.items():
        values[name] = equation.draw(name, world)
    return world


def _propensities(scenario: Scenario, traits: World) -> npt.NDArray[np.float64]:
    """Chance of every arm, shape (n, K+1).

    Under confounding a customer (of a household: its first member) with a higher score is drawn
    into a higher arm more often: the log odds of arm k move by ``confounding x score x k / K``.
    """
    arms, shares = scenario.arms, scenario.declared.assignment.arms
    if ARM in scenario.interventions:
        chosen = arms.number_of(str(scenario.interventions[ARM]))
        return np.tile(np.eye(len(arms.names))[chosen], (traits.noise.n, 1))
    logits = np.tile(np.log(list(shares.values())), (traits.noise.n, 1))
    by = scenario.declared.assignment.confounded_by
    if by is not None:
        score = traits.values[by][traits.noise.heads]
        height = np.arange(len(arms.names)) / arms.n_treatments
        logits += scenario.knobs.confounding * np.outer(score, height)
    propensities: npt.NDArray[np.float64] = special.softmax(logits, axis=1)
    return propensities
