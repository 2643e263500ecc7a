import math
from collections.abc import Mapping

import numpy.typing as npt
import pytest

from tests.ensemble.builders import stump
from uplift.ensemble import FlatEnsemble
from uplift.ensemble.decisions import CATEGORICAL
from uplift.ensemble.flat import ARRAYS
from uplift.errors import ContractError

TWO_NODES = {
    "feature": [0, 0],
    "threshold": [0.5, 0.5],
    "decision": [0, 0],
    "left": [1, ~0],
    "right": [~2, ~1],
    "leaf_values": [[1.0], [2.0], [3.0]],
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"threshold": [0.5, 0.5]}, r"`threshold` has shape \(2,\)"),
        ({"first_output": []}, r"`first_output` has shape \(0,\)"),
        ({"leaf_values": [1.0, 2.0]}, r"`leaf_values` has shape \(2,\)"),
        ({"feature": [1]}, r"`feature` is outside \[0, 1\) in 1 of 1"),
        ({"feature": [-1]}, "`feature` is outside"),
        ({"feature": [0.5]}, "`feature` holds numbers that are no int32"),
        ({"feature": [2**32]}, "`feature` holds numbers that are no int32"),
        ({"first_output": [1]}, r"`first_output` is outside \[0, 1\)"),
        ({"leaf_values": [[1.0, 2.0], [3.0, 4.0]]}, r"`first_output` is outside \[0, 0\)"),
        ({"threshold": [math.nan]}, "`threshold` is NaN in 1 of 1"),
        ({"leaf_values": [[1.0], [math.inf]]}, "`leaf_values` is not finite in 1 of 2"),
        ({"right": [~0]}, "leaf entries are not each referred to exactly once"),
        ({"right": [~7]}, "leaf entries are not each referred to exactly once"),
        ({"right": [0]}, "node entries are not each referred to exactly once"),
        ({"roots": [5]}, "node entries are not each referred to exactly once"),
        (
            {**TWO_NODES, "roots": [1], "left": [~0, 0], "right": [~1, ~2]},
            "back to itself or an earlier one",
        ),
        ({**TWO_NODES, "left": [~0, 1], "right": [~1, ~2]}, "back to itself or an earlier one"),
        ({"decision": [CATEGORICAL], "threshold": [1.0]}, r"`threshold` is outside \[0, 1\)"),
        ({"set_start": [0, 3]}, "`set_start` does not cut `set_words`"),
        ({"set_start": [1, 2]}, "`set_start` does not cut `set_words`"),
        ({"set_start": [0, 0, 2]}, "`set_start` does not cut `set_words`"),
        ({"set_start": []}, "`set_start` does not cut `set_words`"),
    ],
)
def test_arrays_that_are_no_trees_are_refused(
    changed: Mapping[str, npt.ArrayLike], message: str
) -> None:
    arrays = {name: getattr(stump(CATEGORICAL), name) for name in ARRAYS} | {"decision": [0]}
    FlatEnsemble.of(arrays, n_features=1, n_outputs=1)
    with pytest.raises(ContractError, match=message):
        FlatEnsemble.of(arrays | changed, n_features=1, n_outputs=1)


def test_two_levels_are_a_tree() -> None:
    arrays = {name: getattr(stump(0), name) for name in ARRAYS}
    assert len(FlatEnsemble.of(arrays | TWO_NODES, n_features=1, n_outputs=1).feature) == 2


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"link": "probit"}, "unknown link 'probit'"),
        ({"sigmoid": 0.0}, "sigmoid is 0.0"),
        ({"sigmoid": math.nan}, "sigmoid is nan"),
    ],
)
def test_a_link_must_be_known_and_steep(facts: Mapping[str, object], message: str) -> None:
    arrays = {name: getattr(stump(0), name) for name in ARRAYS}
    with pytest.raises(ContractError, match=message):
        FlatEnsemble.of(arrays, n_features=1, n_outputs=1, **facts)  # type: ignore[arg-type]
