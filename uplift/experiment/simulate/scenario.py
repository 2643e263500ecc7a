"""A checked scenario: a structural causal model of customers, ready to be drawn from.

A model in the sense of Pearl (*Causality*, 2nd ed., 2009, chapter 7): equations over a directed
acyclic graph plus independent noise. ``Scenario.do`` gives his submodel: the equation of a node
makes way for a constant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic import ValidationError

from uplift.arms import Arms
from uplift.config import explain, load_yaml
from uplift.errors import ConfigError
from uplift.experiment.simulate.check import MANUAL, check_scenario
from uplift.experiment.simulate.declaration import (
    ARM,
    DRIFT,
    GIVEN,
    OUTCOME,
    Knobs,
    ScenarioFile,
)
from uplift.experiment.simulate.formula import Levels, World
from uplift.experiment.simulate.graph import causal_order
from uplift.experiment.simulate.noise import Vector


class Node(Protocol):
    """Whatever gives a node its value: its equation, or a constant set from outside."""

    def draw(self, name: str, world: World) -> Vector:
        """The node's value for every customer, shape (n,)."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same value for everybody, whatever the parents say."""

    value: float

    def draw(self, name: str, world: World) -> Vector:
        """The value for every customer, shape (n,)."""
        return np.full(world.noise.n, self.value)


@dataclass(frozen=True)
class Scenario:
    """A checked scenario; ``with_knobs`` and ``do`` give changed copies."""

    declared: ScenarioFile
    source: str
    interventions: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def knobs(self) -> Knobs:
        """The knobs as they are set."""
        return self.declared.knobs

    @property
    def arms(self) -> Arms:
        """Control first, then the treatments in their declared order."""
        return self.declared.arms

    @cached_property
    def levels(self) -> Levels:
        """The levels of every category."""
        return self.declared.levels

    @cached_property
    def traits(self) -> Mapping[str, Node]:
        """The nodes that the arm cannot change, each after its parents."""
        late = self.declared.responses
        return {name: node for name, node in self._ordered.items() if name not in late}

    @cached_property
    def responses(self) -> Mapping[str, Node]:
        """The nodes that the arm can change, each after its parents."""
        late = self.declared.responses
        return {name: node for name, node in self._ordered.items() if name in late}

    def with_knobs(self, **changes: float) -> "Scenario":
        """The same customers with some knobs turned; they keep all their noise."""
        try:
            knobs = Knobs.model_validate({**self.knobs.model_dump(), **changes})
        except ValidationError as error:
            raise ConfigError(explain(error, Knobs, "knobs", manual=MANUAL)) from error
        declared = self.declared.model_copy(update={"knobs": knobs})
        check_scenario(declared, self.source)
        return replace(self, declared=declared)

    def do(self, **settings: float | str) -> "Scenario":
        """The same customers when nodes are set from outside, whatever their parents say.

        ``do(arm="coupon_5")`` assigns that arm to everybody; a category takes the name of a level.
        """
        for node, value in settings.items():
            self._check_setting(node, value)
        return replace(self, interventions={**self.interventions, **settings})

    @cached_property
    def _ordered(self) -> Mapping[str, Node]:
        nodes: dict[str, Node] = {**self.declared.equations}
        for name in nodes.keys() & self.interventions.keys():
            nodes[name] = Constant(self._as_number(name, self.interventions[name]))
        return {name: nodes[name] for name in causal_order(self.declared.parents, GIVEN)}

    def _as_number(self, node: str, value: float | str) -> float:
        return float(self.levels[node].index(str(value)) if node in self.levels else value)

    def _check_setting(self, node: str, value: float | str) -> None:
        known = sorted({ARM, DRIFT, *self.declared.equations} - {OUTCOME})
        if node not in known:
            raise ConfigError(
                f"do({node}={value!r}): {node} is no node; set one of {', '.join(known)}."
            )
        if node in self.levels and value not in self.levels[node]:
            levels = ", ".join(self.levels[node])
            raise ConfigError(f"do({node}={value!r}): unknown {node}; name one of {levels}.")
        if node not in self.levels and isinstance(value, str):
            raise ConfigError(f"do({node}={value!r}): {node} is a number; give a number.")


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario."""
    return scenario_from(load_yaml(path), source=str(path))


def scenario_from(document: Mapping[str, object], *, source: str) -> Scenario:
    """A checked scenario from its document; ``source`` names it in errors."""
    try:
        declared = ScenarioFile.model_validate(document)
    except ValidationError as error:
        raise ConfigError(explain(error, ScenarioFile, source, manual=MANUAL)) from error
    check_scenario(declared, source)
    return Scenario(declared, source)
