"""What a scenario must be beyond its shape: a graph without circles, effects after causes."""

from collections.abc import Iterator
from datetime import timedelta

from uplift.errors import ConfigError
from uplift.experiment.simulate.declaration import (
    GIVEN,
    IRRITATION,
    OUTCOME,
    EventSource,
    ScenarioFile,
)
from uplift.experiment.simulate.equations import Count, Linear
from uplift.experiment.simulate.formula import number_problems
from uplift.experiment.simulate.graph import causal_order

MANUAL = "conf/simulate/retailer.yaml"


def check_scenario(declared: ScenarioFile, source: str) -> None:
    """Raise one ``ConfigError`` with all that is wrong."""
    reserved = sorted({*GIVEN, IRRITATION, OUTCOME} & set(declared.nodes))
    if reserved:
        raise ConfigError(
            f"{source}: `nodes` declares {', '.join(reserved)}, which every scenario finds "
            f"ready-made. Choose another name; {MANUAL} lists them."
        )
    try:
        causal_order(declared.parents, given=GIVEN)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error
    problems = [
        *_equations(declared),
        *_knobs(declared),
        *_customers(declared),
        *_event_sources(declared),
        *_calendar(declared),
    ]
    if problems:
        raise ConfigError(f"{source}: {'; '.join(problems)}. Every key is explained in {MANUAL}.")


def _equations(declared: ScenarioFile) -> Iterator[str]:
    for name, equation in declared.equations.items():
        for problem in equation.problems(declared.levels):
            yield f"node `{name}`: {problem}"


def _knobs(declared: ScenarioFile) -> Iterator[str]:
    assignment, knobs = declared.assignment, declared.knobs
    by = assignment.confounded_by
    if by is None and knobs.confounding != 0.0:
        yield "`knobs.confounding` is set, but `assignment.confounded_by` names no node"
    if by is not None:
        yield from _is_early_number(declared, by, "assignment.confounded_by")
    dogs = assignment.sleeping_dogs_by
    if dogs is None and knobs.sleeping_dog_share > 0.0:
        yield "`knobs.sleeping_dog_share` is set, but `assignment.sleeping_dogs_by` names no node"
    root = declared.nodes.get(dogs) if dogs is not None else None
    if dogs is not None and not (isinstance(root, Linear) and root.is_standard_normal()):
        yield (
            f"`assignment.sleeping_dogs_by` = {dogs!r} must be a standard normal root, "
            "{kind: linear, sd: 1}, so that the share is exact"
        )
    for node in assignment.household_shares:
        yield from _is_node(declared, node, "assignment.household_shares")


def _customers(declared: ScenarioFile) -> Iterator[str]:
    for column, attribute in declared.customers.items():
        where = f"customers.{column}.node"
        yield from _is_node(declared, attribute.node, where)
        yield from _precedes_arm(declared, attribute.node, where)


def _event_sources(declared: ScenarioFile) -> Iterator[str]:
    for position, source in enumerate(declared.events):
        where = f"events.{position}"
        strays = [problem for n in source.nodes for problem in _is_node(declared, n, where)]
        yield from sorted(strays)
        if not strays:
            yield from _event_source(declared, source, where)


def _event_source(declared: ScenarioFile, source: EventSource, where: str) -> Iterator[str]:
    start, end = source.days
    window = declared.outcome.window_days
    if not isinstance(declared.equations[source.count], Count):
        yield f"`{where}.count` = {source.count!r} must be a node of kind count"
    if source.silent_days is not None:
        for problem in number_problems(source.silent_days, declared.levels):
            yield f"`{where}.silent_days`: {problem}"
    if source.value is not None:
        for problem in source.value.log_mean.problems(declared.levels):
            yield f"`{where}.value`: {problem}"
    if not start < end:
        yield f"`{where}.days` = [{start:g}, {end:g}] must go forward in time"
    if start < 0.0:
        for node in sorted(source.nodes):
            yield from _precedes_arm(declared, node, where)
    if source.type == declared.outcome.event_type and start < window and end > 0.0:
        yield (
            f"`{where}` puts {source.type!r} events into the outcome window of {window:g} days, "
            "where only the outcome may; end its `days` at 0 or begin them after the window"
        )


def _calendar(declared: ScenarioFile) -> Iterator[str]:
    assignment, window = declared.assignment, declared.outcome.window_days
    closed = assignment.starts_at + timedelta(days=assignment.days + window)
    if declared.log_ends_at < closed:
        yield (
            f"`log_ends_at` = {declared.log_ends_at} cuts outcome windows that close by {closed}; "
            "move it there or begin the assignment earlier"
        )


def _is_node(declared: ScenarioFile, node: str, where: str) -> Iterator[str]:
    if node not in declared.equations:
        yield f"`{where}` = {node!r} is no node; declare it under `nodes`"


def _precedes_arm(declared: ScenarioFile, node: str, where: str) -> Iterator[str]:
    if node in declared.responses:
        yield f"`{where}` reads {node!r}, which the arm changes; nothing before the arm may"


def _is_early_number(declared: ScenarioFile, node: str, where: str) -> Iterator[str]:
    yield from _is_node(declared, node, where)
    yield from _precedes_arm(declared, node, where)
    for problem in number_problems(node, declared.levels):
        yield f"`{where}`: {problem}"
