"""Pack a model so that plain MLflow can load it anywhere, without this repository."""

from importlib.metadata import version
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

from uplift.features.encoder import FeatureEncoder
from uplift.learners.model import UpliftModel
from uplift.tracking import pyfunc_model
from uplift.tracking.answers import answer_columns
from uplift.tracking.code import PACKAGE

BUNDLE = "bundle"  # the artifact that ``UpliftModel.save`` wrote
BUNDLE_PATH = f"artifacts/{BUNDLE}"  # where MLflow puts it inside a logged model

# What loading and answering imports, beside the package itself, which travels along.
REQUIREMENTS = ("mlflow", "numba", "numpy", "pandas", "pyarrow", "pydantic", "pyyaml", "scipy")


def save_pyfunc(model: UpliftModel, directory: Path, *, identity: Model) -> Path:
    """Write ``model`` as an MLflow model: bundle, code, signature, example and requirements.

    Args:
        model: The model to pack.
        directory: A folder to work in.
        identity: Which run and logged model this is, as MLflow writes it into ``MLmodel``.

    Returns:
        The folder that MLflow can load.
    """
    bundle = directory / BUNDLE
    model.save(bundle)
    packed = directory / "model"
    mlflow.pyfunc.save_model(
        str(packed),
        mlflow_model=identity,
        python_model=pyfunc_model.__file__,
        artifacts={BUNDLE: str(bundle)},
        code_paths=[str(PACKAGE)],
        signature=signature(model),
        input_example=example(model.encoder),
        pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
    )
    return packed


def signature(model: UpliftModel) -> ModelSignature:
    """Raw features in, named numbers out; a feature may be null. Numbers are doubles."""
    types = {"numeric": "double", "categorical": "string"}
    return ModelSignature(
        inputs=Schema(
            [ColSpec(types[c.kind], c.name, required=False) for c in model.encoder.columns]
        ),
        outputs=Schema([ColSpec("double", name) for name in answer_columns(model)]),
    )


def example(encoder: FeatureEncoder) -> pd.DataFrame:
    """Two made-up units, so that no customer's features go into the tracking store.

    The first has a value everywhere, of the second nothing is known.
    """
    return pd.DataFrame(
        {
            column.name: pd.Series([1.0, None], dtype="float64")
            if column.kind == "numeric"
            else pd.Series([*encoder.categories[column.name][:1], None, None][:2], dtype="object")
            for column in encoder.columns
        }
    )
