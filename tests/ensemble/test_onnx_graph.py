"""The graph in onnxruntime beside the ensemble it was made from."""

import importlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.ensemble.builders import TREATMENTS, random_ensemble, stump
from tests.ensemble.test_lightgbm_equality import CASES, fitted
from tests.ensemble.test_linear import ROWS, model
from uplift.ensemble import FlatEnsemble, clipped, constant, stack
from uplift.ensemble.decisions import CATEGORICAL, ZERO
from uplift.ensemble.flat import Matrix
from uplift.ensemble.onnx_graph import INPUT, check_onnx, onnx_bytes, probes, write_onnx
from uplift.errors import ConfigError, ContractError


def answer(ensemble: FlatEnsemble, rows: Matrix) -> Matrix:
    session = onnxruntime.InferenceSession(onnx_bytes(ensemble, metadata={}))
    return np.asarray(session.run(None, {INPUT: rows})[0])


@pytest.mark.parametrize("decision", TREATMENTS)
@pytest.mark.parametrize("threshold", [-0.5, -ZERO, -1e-40, 0.0, 1e-40, ZERO, 0.5])
def test_every_kind_of_node_decides_alike(decision: int, threshold: float) -> None:
    ensemble = stump(decision, threshold=threshold)
    values = [0.0, 1.0, 2.0, 3.0, 40.0, 41.0, 1e9, -1.0, np.nan]
    if not decision & CATEGORICAL:
        values += [threshold, *(np.nextafter(threshold, side) for side in (-np.inf, np.inf))]
        values += [ZERO, -ZERO, np.nextafter(ZERO, 1.0), np.nextafter(-ZERO, -1.0), 1e-40]
    rows = np.array(values)[:, np.newaxis]
    np.testing.assert_array_equal(answer(ensemble, rows), ensemble.raw(rows))


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_any_ensemble_answers_alike(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    ensemble = random_ensemble(rng, most_leaves=40, n_outputs=3, width=width)
    check_onnx(onnx_bytes(ensemble, metadata={}), ensemble, probes(ensemble))


@pytest.mark.parametrize("case", CASES)
def test_a_booster_of_lightgbm_answers_alike(case: str) -> None:
    _, ensemble = fitted(case)
    check_onnx(onnx_bytes(ensemble, metadata={}), ensemble, probes(ensemble))


def test_links_and_slopes_are_part_of_the_graph() -> None:
    for ensemble in (model(), clipped(model()), constant([0.3, -2.0], 2, link="logistic")):
        np.testing.assert_allclose(answer(ensemble, ROWS), ensemble.predict(ROWS), rtol=1e-6)


def test_another_answer_is_not_written(tmp_path: Path) -> None:
    graph = onnx_bytes(stack([constant([1.0], 1), constant([2.0], 1)]), metadata={})
    with pytest.raises(ContractError, match=r"in 3 of 6 answers"):
        check_onnx(graph, constant([1.0, 2.1], 1), np.zeros((3, 1)))


def test_the_file_is_whole_and_knows_whose_it_is(tmp_path: Path) -> None:
    write_onnx(tmp_path / "onnx" / "e.onnx", model(), metadata={"model_version": "abc"})
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "e.onnx"))
    assert session.get_modelmeta().custom_metadata_map == {"model_version": "abc"}
    assert [path.name for path in (tmp_path / "onnx").iterdir()] == ["e.onnx"]


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(ConfigError, match=r"`onnx`, which is not installed.*\[onnx\]"):
        onnx_bytes(model(), metadata={})
