"""How a node of the scenario gets its value from its parents and its own noise.

Each kind is a structural equation ``x = f(parents, noise)`` (Pearl, *Causality*, 2nd ed., 2009,
section 1.4.1). The noise enters through inverse distribution functions, so that the same noise
under another arm gives the same customer's answer in that arm.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import special

from uplift.config import Section
from uplift.experiment.simulate.formula import (
    Formula,
    Levels,
    Number,
    PositiveNumber,
    World,
    number_problems,
)
from uplift.experiment.simulate.noise import Vector

Scale = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
_LARGEST_MEAN = 600.0  # of a count, so that exp(-mean) is a number


class Linear(Formula):
    """A weighted sum plus normal noise, through a link, then clipped and rounded."""

    kind: Literal["linear"]
    sd: Scale = 0.0
    link: Literal["identity", "exp", "logistic"] = "identity"
    low: Number | None = None
    high: Number | None = None
    decimals: int | None = None

    def draw(self, name: str, world: World) -> Vector:
        """The node's value for every customer, shape (n,)."""
        value = self.total(world)
        if self.sd > 0.0:
            value += self.sd * world.noise.normal(name)
        if self.link == "exp":
            value = np.exp(value)
        elif self.link == "logistic":
            value = special.expit(value)
        if self.low is not None or self.high is not None:
            value = np.clip(value, self.low, self.high)
        return value if self.decimals is None else np.round(value, self.decimals)

    def is_standard_normal(self) -> bool:
        """Whether the node is a root with mean 0 and deviation 1, so that its tail is known."""
        return self == Linear(kind="linear", sd=1.0)


class Logit(Formula):
    """1 with a chance of ``1 / (1 + exp(-sum))``, else 0."""

    kind: Literal["logit"]

    def draw(self, name: str, world: World) -> Vector:
        """The node's value for every customer, shape (n,)."""
        chance: Vector = special.expit(self.total(world))
        return (world.noise.uniform(name) < chance).astype(np.float64)


class Count(Formula):
    """A Poisson number with mean ``exp(sum)``, at most 600, cut at ``at_most``."""

    kind: Literal["count"]
    at_most: Annotated[int, Field(ge=1, le=1000)] = 1000

    def draw(self, name: str, world: World) -> Vector:
        """The node's value for every customer, shape (n,)."""
        mean = np.exp(np.minimum(self.total(world), np.log(_LARGEST_MEAN)))
        return poisson_quantile(world.noise.uniform(name), mean, at_most=self.at_most)


class Category(Section):
    """A level drawn by ``shares``; a level's ``shifts`` are added to the log of its share."""

    kind: Literal["category"]
    shares: Annotated[dict[str, PositiveNumber], Field(min_length=1)]
    shifts: dict[str, Formula] = Field(default_factory=dict)

    @property
    def parents(self) -> frozenset[str]:
        """The nodes that shift the shares."""
        return frozenset().union(*(formula.parents for formula in self.shifts.values()))

    def problems(self, levels: Levels) -> Iterator[str]:
        """What is wrong with the shifts."""
        for level, formula in self.shifts.items():
            if level not in self.shares:
                yield f"`shifts.{level}` has no share; known are {', '.join(self.shares)}"
            yield from formula.problems(levels)

    def draw(self, name: str, world: World) -> Vector:
        """The position of the drawn level, shape (n,)."""
        logits = np.tile(np.log(list(self.shares.values())), (world.noise.n, 1))
        for position, level in enumerate(self.shares):
            if level in self.shifts:
                logits[:, position] += self.shifts[level].total(world)
        return choose(special.softmax(logits, axis=1), world.noise.uniform(name)).astype(float)


class Table(Section):
    """One number per level of a category, or per pair of levels of two."""

    kind: Literal["table"]
    by: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)]
    entries: dict[str, Number | dict[str, Number]]

    @property
    def parents(self) -> frozenset[str]:
        """The categories the table is entered by."""
        return frozenset(self.by)

    def problems(self, levels: Levels) -> Iterator[str]:
        """Parents that are no categories, entries that are missing or lead nowhere."""
        numbers = [parent for parent in self.by if parent not in levels]
        if numbers:
            yield f"`by` names {', '.join(numbers)}, which is a number; split numbers with a tree"
            return
        needed = set(product(*(levels[parent] for parent in self.by)))
        given = set(self._cells())
        for cell in sorted(needed - given):
            where = ", ".join(f"{p}={level}" for p, level in zip(self.by, cell, strict=True))
            yield f"table has no entry for {where}; add `entries.{'.'.join(cell)}`"
        for cell in sorted(given - needed):
            yield f"`entries.{'.'.join(cell)}` is no level of {', '.join(self.by)}; take it out"

    def draw(self, name: str, world: World) -> Vector:
        """The entry of every customer, shape (n,)."""
        cells = self._cells()
        levels = [world.levels[parent] for parent in self.by]
        numbers = np.array([cells[cell] for cell in product(*levels)])
        shape = tuple(map(len, levels))
        return numbers[np.ravel_multi_index([world.codes(parent) for parent in self.by], shape)]

    def _cells(self) -> Mapping[tuple[str, ...], float]:
        cells: dict[tuple[str, ...], float] = {}
        for level, entry in self.entries.items():
            if isinstance(entry, dict):
                cells |= {(level, inner): number for inner, number in entry.items()}
            else:
                cells[(level,)] = entry
        return cells


class Product(Section):
    """The product of two or more parents."""

    kind: Literal["product"]
    of: Annotated[tuple[str, ...], Field(min_length=2)]

    @property
    def parents(self) -> frozenset[str]:
        """The factors."""
        return frozenset(self.of)

    def problems(self, levels: Levels) -> Iterator[str]:
        """Factors that are no numbers."""
        for parent in self.of:
            yield from number_problems(parent, levels)

    def draw(self, name: str, world: World) -> Vector:
        """The product for every customer, shape (n,)."""
        factors: Vector = np.prod([world.values[parent] for parent in self.of], axis=0)
        return factors


class ZeroInflated(Section):
    """Nothing, or with the chance of a logit a lognormal amount: how customers spend."""

    kind: Literal["zero_inflated"] = "zero_inflated"
    chance: Formula
    log_mean: Formula
    log_sd: Scale

    @property
    def parents(self) -> frozenset[str]:
        """The nodes that move the chance or the amount."""
        return self.chance.parents | self.log_mean.parents

    def problems(self, levels: Levels) -> Iterator[str]:
        """What is wrong with either formula."""
        yield from self.chance.problems(levels)
        yield from self.log_mean.problems(levels)

    def chance_of(self, world: World) -> Vector:
        """Probability of more than nothing, given everything but the node's own noise."""
        chance: Vector = special.expit(self.chance.total(world))
        return chance

    def expected(self, world: World) -> Vector:
        """Chance times the mean ``exp(log_mean + log_sd**2 / 2)`` of the lognormal amount."""
        amount: Vector = np.exp(self.log_mean.total(world) + 0.5 * self.log_sd**2)
        return self.chance_of(world) * amount

    def draw(self, name: str, world: World) -> Vector:
        """The node's value for every customer, shape (n,)."""
        amount = np.exp(
            self.log_mean.total(world) + self.log_sd * world.noise.normal(f"{name}/amount")
        )
        return np.where(world.noise.uniform(name) < self.chance_of(world), amount, 0.0)


def poisson_quantile(uniform: Vector, mean: Vector, *, at_most: int) -> Vector:
    """The smallest k with P(X <= k) > ``uniform``, X Poisson with ``mean``, or ``at_most``.

    Examples:
        >>> poisson_quantile(np.array([0.0, 0.36, 0.37, 0.99]), np.ones(4), at_most=9)
        array([0., 0., 1., 4.])
    """
    quantile = np.zeros(len(uniform))
    chance = np.exp(-mean)
    summed = chance.copy()
    rows = np.arange(len(uniform))
    for k in range(1, at_most + 1):
        rows = rows[uniform[rows] >= summed[rows]]
        quantile[rows] = k
        chance[rows] *= mean[rows] / k
        summed[rows] += chance[rows]
        if not rows.size:
            break
    return quantile


def choose(chances: Vector, uniform: Vector) -> npt.NDArray[np.intp]:
    """Column drawn in each row of ``chances``, shape (n, k), by inverse of the summed chances.

    Examples:
        >>> choose(np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([0.2, 0.7]))
        array([0, 1])
    """
    column: npt.NDArray[np.intp] = (uniform[:, None] >= np.cumsum(chances, axis=1)[:, :-1]).sum(1)
    return column
