"""What an equation reads: the values of its parents, and weighted sums of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from uplift.config import Section
from uplift.experiment.simulate.noise import Noise, Vector

Number = Annotated[float, Field(allow_inf_nan=False)]
PositiveNumber = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Levels = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class World:
    """The values of the nodes so far, for every customer of a block.

    Attributes:
        values: Shape (n,) each; a category holds the position of its level as a float.
        levels: The levels of every category, in their declared order.
        noise: The customers' exogenous noise.
    """

    values: Mapping[str, Vector]
    levels: Levels
    noise: Noise

    def codes(self, category: str) -> np.typing.NDArray[np.intp]:
        """Positions of the levels of a category, shape (n,)."""
        return self.values[category].astype(np.intp)


class Formula(Section):
    """A weighted sum: ``intercept`` plus, for each parent, its coefficient times its value.

    The coefficient of a category is a mapping from level to number; a level left out adds 0.
    """

    intercept: Number = 0.0
    terms: dict[str, Number | dict[str, Number]] = Field(default_factory=dict)

    @property
    def parents(self) -> frozenset[str]:
        """The nodes the sum reads."""
        return frozenset(self.terms)

    def total(self, world: World) -> Vector:
        """The sum for every customer, shape (n,)."""
        total = np.full(world.noise.n, self.intercept)
        for parent, coefficient in self.terms.items():
            if isinstance(coefficient, dict):
                by_level = np.array([coefficient.get(name, 0.0) for name in world.levels[parent]])
                total += by_level[world.codes(parent)]
            else:
                total += coefficient * world.values[parent]
        return total

    def problems(self, levels: Levels) -> Iterator[str]:
        """What is wrong with the terms, given which parents are categories."""
        for parent, coefficient in self.terms.items():
            if not isinstance(coefficient, dict):
                yield from number_problems(parent, levels)
            elif parent not in levels:
                yield f"`terms.{parent}` lists levels, but {parent} is a number; give one number"
            else:
                yield from unknown_levels(parent, coefficient, levels)


def number_problems(parent: str, levels: Levels) -> Iterator[str]:
    """A category where a number is needed."""
    if parent in levels:
        known = ", ".join(levels[parent])
        yield f"{parent!r} is a category ({known}), not a number; turn it into one with a table"


def unknown_levels(category: str, named: Iterable[str], levels: Levels) -> Iterator[str]:
    """Levels that a category does not have."""
    kind = "arm" if category == "arm" else f"level of {category}"
    for level in named:
        if level not in levels[category]:
            yield f"unknown {kind} {level!r}; known are {', '.join(levels[category])}"
