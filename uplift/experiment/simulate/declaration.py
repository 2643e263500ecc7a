"""A scenario as it stands in its YAML file; ``conf/simulate/retailer.yaml`` explains every key."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated

from pydantic import Field

from uplift.arms import Arms
from uplift.config import Section
from uplift.config.section import Name, Share
from uplift.experiment.simulate.equations import (
    Category,
    Count,
    Linear,
    Logit,
    Product,
    Scale,
    Table,
    ZeroInflated,
)
from uplift.experiment.simulate.formula import Formula, Levels, Number, PositiveNumber
from uplift.experiment.simulate.graph import Parents, descendants
from uplift.experiment.simulate.tree import Irritation, Tree

# Names that the scenario finds ready-made.
ARM = "arm"  # a category: the arm that reached the customer
DRIFT = "drift"  # a number: how far the world has moved on the customer's day of assignment
IRRITATION = "irritation"  # a number: how much a coupon puts the customer off
OUTCOME = "outcome"  # the node declared under `outcome.spend`
GIVEN = (ARM, DRIFT)

DeclaredEquation = Linear | Logit | Count | Category | Table | Tree | Product | ZeroInflated
Equation = DeclaredEquation | Irritation


class Knobs(Section):
    """What makes a log easy or hard to learn from; at rest the experiment is clean."""

    confounding: Number = 0.0
    not_exposed_share: Share = 0.0
    sleeping_dog_share: Share = 0.0
    sleeping_dog_strength: Scale = 1.0
    drift_per_week: Number = 0.0
    household_size: Annotated[int, Field(ge=1, le=100)] = 1


class Assignment(Section):
    """Who is drawn into which arm, and when."""

    experiment_id: Name
    starts_at: date
    days: PositiveNumber
    arms: Annotated[dict[Name, PositiveNumber], Field(min_length=2)]
    confounded_by: str | None = None
    sleeping_dogs_by: str | None = None
    household_shares: tuple[str, ...] = ()


class Attribute(Section):
    """A column of the customer table."""

    node: str
    missing_share: Share = 0.0


class Amount(Section):
    """A lognormal value, drawn anew for each event."""

    log_mean: Formula
    log_sd: Scale


class EventSource(Section):
    """Events of one type in a span of days around the assignment."""

    type: Name
    count: str
    days: tuple[Number, Number]
    silent_days: str | None = None
    value: Amount | None = None

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes the events read."""
        read = {self.count} | ({self.silent_days} if self.silent_days else set())
        return frozenset(read) | (self.value.log_mean.parents if self.value else frozenset())


class Outcome(Section):
    """What the arms act on, and how it shows in the events."""

    spend: ZeroInflated
    event_type: Name
    redeemed_event_type: Name | None = None
    window_days: PositiveNumber


class ScenarioFile(Section):
    """All of it."""

    assignment: Assignment
    knobs: Knobs = Knobs()
    nodes: dict[Name, Annotated[DeclaredEquation, Field(discriminator="kind")]]
    customers: dict[Name, Attribute]
    events: tuple[EventSource, ...]
    outcome: Outcome
    log_ends_at: date

    @property
    def arms(self) -> Arms:
        """Control first, then the treatments in their declared order."""
        return Arms(tuple(self.assignment.arms))

    @property
    def equations(self) -> Mapping[str, Equation]:
        """Every node's equation, with those of the outcome and of ``irritation``."""
        irritation = Irritation(
            by=self.assignment.sleeping_dogs_by,
            share=self.knobs.sleeping_dog_share,
            strength=self.knobs.sleeping_dog_strength,
        )
        return {**self.nodes, IRRITATION: irritation, OUTCOME: self.outcome.spend}

    @property
    def parents(self) -> Parents:
        """The parents of every node."""
        return {name: equation.parents for name, equation in self.equations.items()}

    @property
    def levels(self) -> Levels:
        """The levels of every category; the arm is one."""
        nodes = self.nodes.items()
        declared = {name: tuple(node.shares) for name, node in nodes if isinstance(node, Category)}
        return {ARM: self.arms.names, **declared}

    @property
    def responses(self) -> frozenset[str]:
        """The nodes that the arm has a say in, the outcome always among them."""
        parents = {**self.parents, OUTCOME: self.parents[OUTCOME] | {ARM}}
        return descendants(parents, ARM)
