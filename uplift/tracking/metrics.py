"""Uplift metrics for ``mlflow.models.evaluate``: the numbers of ``uplift.evaluation``, no others.

    evaluate(
        data=frame, predictions="uplift_conversion_mail", targets="conversion",
        extra_metrics=uplift_metrics(treatment=1), evaluator_config={"col_mapping": {"arm": "arm"}})

The frame needs the columns ``arm`` (0 is control) and ``propensity`` (of the arm drawn) beside what
the model predicts; other arms than the treatment and control are left aside.
"""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from mlflow.metrics import MetricValue
from mlflow.models import EvaluationMetric, make_metric

from uplift.arms import CONTROL
from uplift.evaluation import metrics
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums
from uplift.evaluation.resampling import Floats
from uplift.evaluation.uncertainty import Estimate, from_replicates

_METRICS: dict[str, Callable[[RankedSums, int], Floats]] = {
    "ate": metrics.ate,
    "autoc": metrics.autoc,
    "rate_qini": metrics.rate_qini,
    "radcliffe_q": metrics.radcliffe_q,
}


def uplift_metrics(
    *, treatment: int = 1, replicates: int = 200, seed: int = 0, level: float = 0.95
) -> list[EvaluationMetric]:
    """Metrics of a ranking by predicted effect, each with ``low`` and ``high`` of its interval.

    Args:
        treatment: Number of the arm whose effect is predicted.
        replicates: Of the bootstrap; every row counts as a randomisation unit of its own.
        seed: Of the bootstrap.
        level: Of the intervals.
    """

    def made(name: str, metric: Callable[[RankedSums, int], Floats]) -> EvaluationMetric:
        def evaluate(
            predictions: pd.Series, targets: pd.Series, arm: pd.Series, propensity: pd.Series
        ) -> MetricValue:
            pair = arm.isin([CONTROL, treatment]).to_numpy()
            if arm[pair].nunique() < 2:  # MLflow tries each metric on two rows first
                return _value(Estimate(math.nan, math.nan, math.nan, math.nan))
            sums = ranked_sums(
                predictions.to_numpy(np.float64)[pair],
                (arm.to_numpy()[pair] == treatment).astype(np.int64),
                targets.to_numpy(np.float64)[pair],
                n_arms=2,
                weight=1.0 / propensity.to_numpy(np.float64)[pair],
                replicates=replicates,
                seed=seed,
            )
            return _value(from_replicates(metric(sums, 1), level=level))

        metric_of_mlflow: EvaluationMetric = make_metric(  # type: ignore[no-untyped-call]
            eval_fn=evaluate, greater_is_better=True, name=name
        )
        return metric_of_mlflow

    return [made(name, metric) for name, metric in _METRICS.items()]


def _value(found: Estimate) -> MetricValue:
    return MetricValue(
        aggregate_results={"estimate": found.estimate, "low": found.low, "high": found.high}
    )
