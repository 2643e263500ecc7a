"""The face that MLflow loads: this file travels with the model and is run where it is loaded.

No object is pickled: the numbers are in the bundle, the code is this file and the package that
travels beside it.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from uplift.learners.model import load_model
from uplift.tracking.answers import answer


class UpliftPyfunc(PythonModel):
    """Answers a frame of raw features with expected outcome and uplift per arm, by name."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the bundle; MLflow calls this once, and insists on the name ``context``."""
        self.model = load_model(Path(context.artifacts["bundle"]))

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: Mapping[str, object] | None = None,
    ) -> pd.DataFrame:
        """One row of answers per row of features; there are no ``params``."""
        return answer(self.model, model_input)


set_model(UpliftPyfunc())
