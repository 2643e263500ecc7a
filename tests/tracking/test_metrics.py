"""MLflow's own evaluation reports our numbers."""

import mlflow
import numpy as np
import pandas as pd
import pytest

from uplift.evaluation.metrics import autoc
from uplift.evaluation.ranked_sums import ranked_sums
from uplift.evaluation.uncertainty import from_replicates
from uplift.tracking.metrics import uplift_metrics

pytestmark = pytest.mark.slow


def test_mlflow_evaluates_a_ranking_with_intervals(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    arm = rng.integers(0, 3, 600)
    frame = pd.DataFrame(
        {
            "uplift": rng.normal(size=600),
            "conversion": rng.integers(0, 2, 600).astype(float),
            "arm": arm,
            "propensity": np.full(600, 1 / 3),
        }
    )
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    try:
        with mlflow.start_run():
            found = mlflow.models.evaluate(
                data=frame,
                predictions="uplift",
                targets="conversion",
                extra_metrics=uplift_metrics(treatment=2, replicates=50),
                evaluators="default",
            ).metrics
    finally:
        mlflow.set_tracking_uri(None)
    pair = frame[frame["arm"] != 1]
    sums = ranked_sums(
        pair["uplift"],
        pair["arm"] // 2,
        pair["conversion"],
        n_arms=2,
        weight=1 / pair["propensity"],
        replicates=50,
    )
    expected = from_replicates(autoc(sums, 1), level=0.95)
    assert found["autoc/estimate"] == expected.estimate
    assert (found["autoc/low"], found["autoc/high"]) == (expected.low, expected.high)
    assert {name.split("/")[0] for name in found} >= {"ate", "autoc", "rate_qini", "radcliffe_q"}
