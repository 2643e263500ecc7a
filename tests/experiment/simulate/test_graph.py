import pytest
from hypothesis import given
from hypothesis import strategies as st

from uplift.errors import ConfigError
from uplift.experiment.simulate.graph import causal_order, descendants


def parents(**edges: str) -> dict[str, frozenset[str]]:
    return {node: frozenset(above) for node, above in edges.items()}


@given(st.dictionaries(st.integers(0, 9), st.frozensets(st.integers(0, 9))))
def test_every_node_comes_after_its_parents(edges: dict[int, frozenset[int]]) -> None:
    acyclic = {
        str(node): frozenset(str(above) for above in edges.get(node, ()) if above < node)
        for node in range(10)
    }
    order = causal_order(acyclic, given=())
    assert sorted(order) == sorted(acyclic)
    assert all(order.index(p) < order.index(node) for node in acyclic for p in acyclic[node])


def test_a_circle_is_named_from_end_to_end() -> None:
    with pytest.raises(ConfigError, match=r"3 of 4 nodes .* in a circle \(. -> . -> . -> .\)"):
        causal_order(parents(a="c", b="a", c="b", d=""), given=())


def test_an_unknown_parent_is_named_with_the_nearest_known_one() -> None:
    edges = {"buys": frozenset({"agee"}), "age": frozenset[str]()}
    with pytest.raises(ConfigError, match=r"unknown parent 'agee', did you mean `age`\?"):
        causal_order(edges, given=())


def test_all_unknown_parents_are_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"'x'.*; node `b` has an unknown parent 'y'"):
        causal_order(parents(a="x", b="y"), given=())


def test_a_cause_reaches_its_descendants_and_nobody_else() -> None:
    assert descendants(parents(b="a", c="b", d="", e="dc"), "a") == {"b", "c", "e"}
