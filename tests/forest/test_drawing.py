"""A forest in words, as JSON and as a picture."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.forest.builders import a_log, small_forest, small_settings
from uplift.errors import ContractError
from uplift.forest import CausalForest, ForestRows, grow_forest
from uplift.forest.document import Names, describe_tree, forest_document
from uplift.forest.drawing import draw_tree

NAMES = Names(("age", "visits", "city & <land>", "noise"), ("no_coupon", "coupon_5", "coupon_10"))


def a_forest() -> CausalForest:
    return small_forest(a_log())


def categorical_forest() -> CausalForest:
    """Coupons help in cities 1 and 3 of 0..3, and where the city is missing."""
    rng = np.random.default_rng(1)
    city = rng.integers(0, 5, 2000).astype(np.float64)
    city[city == 4] = np.nan
    arm = rng.integers(0, 2, 2000)
    outcome = arm * ((city % 2 == 1) | np.isnan(city)) * 1.0
    rows = ForestRows(city[:, None], arm, outcome, np.full(2000, 0.5))
    settings = small_settings(max_depth=1)
    return grow_forest(rows, 2, settings=settings, seed=1, categorical=[0])


def test_the_words_of_a_tree_tell_where_its_rows_go() -> None:
    rows, forest = a_log(), a_forest()
    root = describe_tree(forest, 0, NAMES)[0]
    name, threshold = root.condition.replace(" or missing", "").split(" <= ")
    column = NAMES.features.index(name)
    assert forest.ensemble.feature[0] == column
    assert float(threshold) == pytest.approx(forest.ensemble.threshold[0], rel=1e-4)
    assert 0 < (rows.features[:, column] <= float(threshold)).mean() < 1


def test_children_add_up_to_their_parent_in_every_arm() -> None:
    for number in range(3):
        nodes = describe_tree(a_forest(), number, NAMES)
        for node in nodes:
            if node.condition:
                both = np.add(nodes[node.then].n_rows, nodes[node.otherwise].n_rows)
                assert both.tolist() == list(node.n_rows)


def test_effects_are_differences_to_control() -> None:
    node = describe_tree(a_forest(), 0, NAMES)[0]
    assert node.effects[1] == node.expected_outcome[2] - node.expected_outcome[0]


def test_categories_are_called_by_their_names() -> None:
    forest = categorical_forest()
    names = Names(("city",), ("none", "coupon"), {"city": ("Ulm", "Bonn", "Kiel", "Köln")})
    root = describe_tree(forest, 0, names)[0]
    assert root.condition == "city in {Ulm, Kiel}"
    plain = describe_tree(forest, 0, replace(names, levels={}))[0]
    assert plain.condition == "city in {0, 2}"


def test_the_document_is_json_and_holds_every_tree() -> None:
    forest = a_forest()
    read = json.loads(json.dumps(forest_document(forest, NAMES)))
    assert len(read["trees"]) == 8
    assert read["digest"] == forest.ensemble.digest()
    assert sum(read["importance"].values()) == pytest.approx(1.0)
    assert read["settings"]["criterion"] == "causal"
    assert set(read["trees"][0][0]) >= {"condition", "then", "otherwise", "effects", "n_rows"}


def boxes(svg: str) -> list[ET.Element]:
    return ET.fromstring(svg).findall("{*}g")


def test_the_picture_is_xml_with_a_box_for_every_node() -> None:
    forest = a_forest()
    svg = draw_tree(forest, 0, NAMES)
    assert len(boxes(svg)) == len(forest.trees[0].tree.feature)
    words = "".join(ET.fromstring(svg).itertext())
    for arm in NAMES.arms:
        assert f"{arm}: " in words


def test_boxes_of_one_level_do_not_overlap() -> None:
    forest = small_forest(a_log(), max_depth=6)
    rects = [box.find("{*}rect") for box in boxes(draw_tree(forest, 1, NAMES))]
    places = [(float(r.get("y")), float(r.get("x"))) for r in rects if r is not None]
    for y in {y for y, _ in places}:
        row = sorted(x for other, x in places if other == y)
        assert all(b - a >= 260 for a, b in pairwise(row))


def test_what_lies_too_deep_is_counted_in_its_ancestor() -> None:
    forest = a_forest()
    shown = draw_tree(forest, 0, NAMES, most_depth=1)
    assert len(boxes(shown)) == 3
    assert "nodes below" in shown


def test_a_root_alone_is_one_leaf() -> None:
    forest = small_forest(a_log(), max_depth=0)
    svg = draw_tree(forest, 0, NAMES)
    assert len(boxes(svg)) == 1
    assert ">leaf<" in svg


def test_names_and_numbers_that_do_not_fit_are_errors() -> None:
    forest = a_forest()
    with pytest.raises(ContractError, match="names for 1 features and 2 arms"):
        draw_tree(forest, 0, Names(("age",), ("none", "coupon")))
    with pytest.raises(ContractError, match="no tree 8"):
        draw_tree(forest, 8, NAMES)
