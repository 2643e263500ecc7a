"""The directed acyclic graph of a scenario: who listens to whom."""

import difflib
from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter

from uplift.errors import ConfigError

Parents = Mapping[str, frozenset[str]]


def causal_order(parents: Parents, given: Collection[str]) -> tuple[str, ...]:
    """The nodes, each after its parents; ``given`` are the names known from outside.

    Raises:
        ConfigError: A parent is neither a node nor given, or some nodes are their own ancestors.

    Examples:
        >>> causal_order({"buys": frozenset({"age"}), "age": frozenset()}, given=())
        ('age', 'buys')
    """
    known = {*parents, *given}
    strays = [
        f"node `{node}` has an unknown parent {parent!r}{_nearest(parent, known)}"
        for node in parents
        for parent in sorted(parents[node] - known)
    ]
    if strays:
        raise ConfigError("; ".join(strays) + ". Declare each parent under `nodes`.")
    inside = {node: sorted(above - set(given)) for node, above in parents.items()}
    try:
        return tuple(TopologicalSorter(inside).static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise ConfigError(
            f"{len(error.args[1]) - 1} of {len(parents)} nodes cause each other in a circle "
            f"({circle}). Take one of these parents out of its node under `nodes`."
        ) from error


def descendants(parents: Parents, cause: str) -> frozenset[str]:
    """The nodes that ``cause`` has a say in, itself left out.

    Examples:
        >>> sorted(descendants({"b": frozenset("a"), "c": frozenset("b")}, "a"))
        ['b', 'c']
    """
    found: set[str] = set()
    frontier = {cause}
    while frontier:
        frontier = {node for node, above in parents.items() if above & frontier} - found
        found |= frontier
    return frozenset(found)


def _nearest(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f", did you mean `{close[0]}`?" if close else ""
