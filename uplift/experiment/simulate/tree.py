"""Equations by cases: a tree of questions, and the irritation of the knobs."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import model_validator
from scipy import special

from uplift.config import Section
from uplift.experiment.simulate.formula import (
    Levels,
    Number,
    World,
    number_problems,
    unknown_levels,
)
from uplift.experiment.simulate.noise import Vector


class Split(Section):
    """One question about a parent: is the number below a cut, is the level among some?"""

    split: str
    below: Number | None = None
    among: tuple[str, ...] | None = None
    then: "Split | Number"
    otherwise: "Split | Number"

    @model_validator(mode="after")
    def _asks_one_question(self) -> "Split":
        if (self.below is None) == (self.among is None):
            raise ValueError("give exactly one of `below` (a number) and `among` (levels)")
        return self

    @property
    def parents(self) -> frozenset[str]:
        """The nodes asked about."""
        below = (leaf.parents for leaf in (self.then, self.otherwise) if isinstance(leaf, Split))
        return frozenset({self.split}).union(*below)

    def problems(self, levels: Levels) -> Iterator[str]:
        """Questions that do not fit their parent."""
        if self.among is None:
            yield from number_problems(self.split, levels)
        elif self.split not in levels:
            yield f"`among` asks for levels of {self.split}, which is a number; ask `below`"
        else:
            yield from unknown_levels(self.split, self.among, levels)
        for leaf in (self.then, self.otherwise):
            if isinstance(leaf, Split):
                yield from leaf.problems(levels)

    def answer(self, world: World) -> Vector:
        """The leaf each customer falls into, shape (n,)."""
        if self.below is not None:
            is_so = world.values[self.split] < self.below
        else:
            positions = [world.levels[self.split].index(level) for level in self.among or ()]
            is_so = np.isin(world.codes(self.split), positions)
        return np.where(is_so, _leaf(self.then, world), _leaf(self.otherwise, world))


class Tree(Split):
    """A number by cases: questions all the way down to the leaves."""

    kind: Literal["tree"]

    def draw(self, name: str, world: World) -> Vector:
        """The node's value for every customer, shape (n,)."""
        return self.answer(world)


class Irritation(Section):
    """How much a coupon puts a customer off: ``strength`` for sleeping dogs, 0 for all others.

    The sleeping dogs are the ``share`` of customers with the highest value of ``by``, a standard
    normal root; so their share is exact without looking at a sample. Without ``by`` there are none.
    """

    by: str | None
    share: float
    strength: float

    @property
    def parents(self) -> frozenset[str]:
        """The root whose upper tail is put off."""
        return frozenset({self.by} if self.by else ())

    def problems(self, levels: Levels) -> Iterator[str]:
        """Nothing beyond what the scenario checks of ``by``."""
        yield from ()

    def draw(self, name: str, world: World) -> Vector:
        """The irritation of every customer, shape (n,)."""
        if self.by is None:
            return np.zeros(world.noise.n)
        cut = special.ndtri(1.0 - self.share)
        return np.where(world.values[self.by] >= cut, self.strength, 0.0)


def _leaf(leaf: Split | float, world: World) -> Vector | float:
    return leaf.answer(world) if isinstance(leaf, Split) else leaf
