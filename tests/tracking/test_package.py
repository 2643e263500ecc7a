"""A logged model is whole: plain MLflow answers with it where this repository does not exist."""

import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import unquote, urlparse

import mlflow.models
import mlflow.pyfunc
import pandas as pd
import pytest

from tests.tracking import builders
from tests.tracking.conftest import Logged
from uplift.features.encoder import fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.tracking.answers import answer
from uplift.tracking.package import REQUIREMENTS, example

pytestmark = pytest.mark.slow

STRANGER = """
import sys
sys.path.insert(0, sys.argv[1])
import mlflow, mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[2])
model.predict(pandas.read_parquet("features.parquet")).to_parquet("answers.parquet")
import uplift
print(uplift.__file__)
print(*sorted(name for name in sys.modules if "." not in name))
"""


def packed(logged: Logged) -> Path:
    uri = logged.store.client.get_model_version_download_uri(
        logged.store.registered_model, str(logged.version.number)
    )
    return Path(unquote(urlparse(uri).path))


def answers_of_a_stranger(
    tmp_path: Path, python: list[str], libraries: str, uri: str, tracking_uri: str
) -> tuple[pd.DataFrame, list[str]]:
    """What a process answers that starts elsewhere and knows nothing but ``libraries``."""
    builders.raw_features(200, seed=5).to_parquet(tmp_path / "features.parquet")
    script = tmp_path / "stranger.py"
    script.write_text(textwrap.dedent(STRANGER))
    done = subprocess.run(
        [*python, str(script), libraries, uri],
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "MLFLOW_TRACKING_URI": tracking_uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return pd.read_parquet(tmp_path / "answers.parquet"), done.stdout.splitlines()


def test_a_process_with_only_the_logged_requirements_gives_the_same_bits(
    logged: Logged, tmp_path: Path
) -> None:
    required = (packed(logged) / "requirements.txt").read_text().splitlines()
    libraries = tmp_path / "libraries"
    builders.link_distributions(builders.closure(required), libraries)
    uri = f"models:/{logged.store.registered_model}@challenger"

    given, (home, modules) = answers_of_a_stranger(
        tmp_path, [sys.executable, "-I", "-S"], str(libraries), uri, logged.store.uri
    )

    expected = answer(builders.fitted_model(), builders.raw_features(200, seed=5))
    pd.testing.assert_frame_equal(given, expected, check_exact=True)
    assert Path(home).is_relative_to(logged.root)
    assert not {"lightgbm", "pyspark", "causalml", "sklearn", "matplotlib"} & set(modules.split())


@pytest.mark.long
def test_a_fresh_environment_with_only_the_logged_requirements_gives_the_same_bits(
    logged: Logged, tmp_path: Path
) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = str(environment / "bin" / "python")
    needed = str(packed(logged) / "requirements.txt")
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", needed], check=True)
    uri = f"models:/{logged.store.registered_model}@challenger"

    given, _ = answers_of_a_stranger(tmp_path, [python, "-I"], str(tmp_path), uri, logged.store.uri)

    expected = answer(builders.fitted_model(), builders.raw_features(200, seed=5))
    pd.testing.assert_frame_equal(given, expected, check_exact=True)


def test_requirements_are_pinned_and_name_what_the_code_imports(logged: Logged) -> None:
    lines = (packed(logged) / "requirements.txt").read_text().split()
    assert sorted(line.split("==")[0] for line in lines) == sorted(REQUIREMENTS)
    assert all("==" in line for line in lines)


def test_nothing_in_a_logged_model_is_pickled(logged: Logged) -> None:
    flavor = mlflow.models.Model.load(str(packed(logged))).flavors["python_function"]
    assert Path(flavor["model_code_path"]).name == "pyfunc_model.py"
    assert "python_model" not in flavor
    protocol_marks = {bytes([0x80, protocol]) for protocol in range(2, 6)}
    # whoever loaded the model before may have left its compiled kernels beside the code
    files = [path for path in packed(logged).rglob("*.*") if "__pycache__" not in path.parts]
    files = [path for path in files if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if path.read_bytes()[:2] in protocol_marks]


def test_the_signature_names_features_and_arms(logged: Logged) -> None:
    signature = mlflow.pyfunc.load_model(str(packed(logged))).metadata.signature
    assert [(c.name, c.type.name, c.required) for c in signature.inputs] == [
        ("age", "double", False),
        ("region", "string", False),
    ]
    assert signature.outputs.input_names()[:5] == [
        "expected_conversion_no_coupon",
        "expected_conversion_coupon_5",
        "expected_conversion_coupon_10",
        "uplift_conversion_coupon_5",
        "uplift_conversion_coupon_10",
    ]


def test_the_example_is_made_up_and_the_logged_model_answers_it(logged: Logged) -> None:
    loaded = mlflow.pyfunc.load_model(str(packed(logged)))
    shown = loaded.input_example
    assert shown["age"].tolist()[0] == 1.0
    assert shown["region"].tolist()[0] == "north"
    assert shown.iloc[1].isna().all()
    pd.testing.assert_frame_equal(loaded.predict(shown), answer(builders.fitted_model(), shown))


def test_a_category_that_was_never_seen_still_gives_an_example() -> None:
    encoder = fit_encoder([FeatureColumn("region", "categorical")], {"region": []})
    assert example(encoder)["region"].tolist() == [None, None]
