"""Chances of arms on Spark: the same for a row wherever it lies, in the sample or not."""

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from tests.experiment.builders import confounded
from uplift.config import Observational
from uplift.errors import ContractError
from uplift.features.spec import FeatureColumn
from uplift.spark.propensities import add_propensities, fit_on_sample, sampled_rows

pytestmark = pytest.mark.spark

FEATURES = (
    FeatureColumn("income", "numeric"),
    FeatureColumn("visits.7d", "numeric"),
    FeatureColumn("city", "categorical"),
)
N = 600
HOW = Observational(folds=3, max_rows=10_000)


def rows() -> pd.DataFrame:
    log, _ = confounded(N)
    return pd.DataFrame(
        {
            "unit_id": [f"u{i:04d}" for i in range(N)],
            "experiment_id": "coupon",
            "propensity": 0.5,
            "cluster_id": [f"h{i // 2}" for i in range(N)],
            "arm": log.arm.astype(np.int32),
            "conversion": (log.outcome > 0.0) * 1.0,
            "income": log.features[:, 0],
            "visits.7d": log.features[:, 1],
            "city": np.array(["Bonn", "Kiel", "Mainz", "Ulm"])[log.features[:, 2].astype(int)],
        }
    )


@pytest.fixture(scope="module")
def frame(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(rows()).persist()


def chances(frame: DataFrame, fit_from: DataFrame, how: Observational) -> pd.DataFrame:
    sample = sampled_rows(fit_from, FEATURES, (), how=how, source="the log")
    fitted = fit_on_sample(sample, n_arms=2, how=how, floor=0.05)
    return add_propensities(frame, fitted).toPandas().set_index("unit_id").sort_index()


def test_every_row_gets_chances_and_keeps_its_columns_however_the_table_is_stored(
    frame: DataFrame,
) -> None:
    found = chances(frame, frame, HOW)
    matrix = np.stack(found["propensities"].to_list())
    assert matrix.shape == (N, 2)
    assert matrix.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert found["is_trimmed"].tolist() == ((matrix < 0.05).any(axis=1)).tolist()
    assert found["visits.7d"].tolist() == rows()["visits.7d"].tolist()
    shuffled = frame.repartition(5, "income")
    again = chances(shuffled, shuffled, HOW)
    assert np.array_equal(matrix, np.stack(again["propensities"].to_list()))


def test_a_larger_log_is_sampled_by_whole_clusters(frame: DataFrame) -> None:
    how = Observational(folds=3, max_rows=300)
    sample = sampled_rows(frame, FEATURES, ["conversion"], how=how, source="the log")
    assert sample.n_available == N
    # 300 households of two: 4 SE of their number are 4 sqrt(300 x .25)
    assert abs(len(sample.arm) - 300) < 2 * 35
    assert set(np.unique(sample.cluster.tolist(), return_counts=True)[1]) == {2}
    assert len(sample.outcomes["conversion"]) == len(sample.arm)
    matrix = np.stack(chances(frame, frame, how)["propensities"].to_list())
    assert np.isfinite(matrix).all()


def test_a_missing_feature_is_named_before_any_task_runs(frame: DataFrame) -> None:
    with pytest.raises(ContractError, match="city"):
        sampled_rows(frame.drop("city"), FEATURES, (), how=HOW, source="the log")
