"""Write the champion as ONNX graphs, for runtimes that are not ours.

Reads ``model/`` of the workspace; writes ``onnx/<model version>/<outcome>.onnx``, once onnxruntime
has answered with each graph as the model does. Takes the extra ``onnx``. A graph wants the encoded
features, doubles in the order of its metadata: a category is its place in the list there, and what
is missing or was never seen is NaN. It answers with the expected outcome per arm, control first.
Needs no Spark.

    python -m jobs.export_onnx --config conf/base.yaml --config FILE

Next: serve the graphs, where the API will not do
"""

import json
import logging
import sys
from collections.abc import Sequence

from uplift.config import Config
from uplift.ensemble.onnx_graph import write_onnx
from uplift.learners.model import load_model
from uplift.logs import event
from uplift.spark.door import run_plain_job
from uplift.workspace import Workspace

_LOG = logging.getLogger(__name__)


def run(config: Config) -> None:
    """Read, write, a graph per outcome."""
    workspace = Workspace(config.workspace)
    model = load_model(workspace.model)
    for outcome in model.outcomes:
        path = workspace.onnx(model.version) / f"{outcome}.onnx"
        metadata = {
            "model_version": model.version,
            "outcome": outcome,
            "arms": json.dumps(list(model.arms.names)),
            "encoder": json.dumps(model.encoder.to_document(), sort_keys=True),
        }
        write_onnx(path, model.ensemble(outcome), metadata=metadata)
        event(_LOG, "model.exported", outcome=outcome, path=str(path), model_version=model.version)


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a job; the exit status is 2 after an error."""
    return run_plain_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
