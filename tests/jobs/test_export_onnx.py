import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from jobs import export_onnx
from tests.jobs.builders import config_of
from tests.learners.builders import constant_model
from uplift.ensemble.onnx_graph import INPUT
from uplift.errors import ModelNotReadyError
from uplift.features.encoder import FeatureEncoder
from uplift.workspace import Workspace


def test_every_outcome_is_a_graph_that_knows_its_features_and_arms(tmp_path: Path) -> None:
    model = constant_model()
    model.save(Workspace(tmp_path).model)
    export_onnx.run(config_of(tmp_path))
    graphs = {path.stem: path for path in Workspace(tmp_path).onnx(model.version).iterdir()}
    assert set(graphs) == set(model.outcomes)
    for outcome, path in graphs.items():
        session = onnxruntime.InferenceSession(str(path))
        told = session.get_modelmeta().custom_metadata_map
        encoder = FeatureEncoder.from_document(json.loads(told["encoder"]))
        rows = np.zeros((3, encoder.n_features))
        (answer,) = session.run(None, {INPUT: rows})
        np.testing.assert_allclose(answer, model.expected_outcome(rows, outcome), rtol=1e-6)
        assert json.loads(told["arms"]) == list(model.arms.names)
        assert told["model_version"] == model.version


def test_without_a_champion_the_job_to_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotReadyError, match="train_model"):
        export_onnx.run(config_of(tmp_path))
