"""Spend curves, calibration and closed-form errors of a table are those of its rows."""

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from uplift.errors import ContractError
from uplift.evaluation import jackknife as numpy_jackknife
from uplift.evaluation.calibration import calibrate_effects
from uplift.evaluation.metrics import autoc
from uplift.evaluation.ranked_sums import ranked_sums as numpy_ranked_sums
from uplift.evaluation.scores import arm_scores
from uplift.evaluation.spend_curve import spend_sums as numpy_spend_sums
from uplift.hashing import hash_keys
from uplift.policy import spend_steps
from uplift.spark.jackknife import jackknife
from uplift.spark.ranked_sums import ranked_sums
from uplift.spark.spend_sums import spend_sums

pytestmark = pytest.mark.spark

DRAW = {"replicates": 20, "seed": 5, "max_blocks": 8}
PROPENSITIES = np.array([0.5, 0.3, 0.2])


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Households of three, drawn together into three arms."""
    rng = np.random.default_rng(3)
    arm = np.repeat(np.arange(100) % 3, 3)
    return pd.DataFrame(
        {
            "cluster_id": np.repeat([f"household {i}" for i in range(100)], 3),
            "arm": arm,
            "propensity": PROPENSITIES[arm],
            "revenue": rng.lognormal(2, 1, 300),
            "gain": list(rng.normal(2, 2, (300, 2))),
            "cost": list(rng.uniform(0, 2, (300, 2)) * [[0, 1]] + [[0.5, 0.5]]),
        }
    )


@pytest.fixture(scope="module")
def frame(spark: SparkSession, rows: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(rows).repartition(3).cache()


def test_a_spend_curve_of_a_table_is_that_of_its_rows(frame: DataFrame, rows: pd.DataFrame) -> None:
    found = spend_sums(frame, F.col("gain"), F.col("cost"), outcome="revenue", n_arms=3, **DRAW)
    gain, cost = (np.array(rows[name].tolist()) for name in ("gain", "cost"))
    steps = spend_steps(gain, cost)
    expected = numpy_spend_sums(
        steps.unit,
        steps.arm,
        steps.slope,
        steps.added_cost,
        arm_scores(rows["arm"], rows["revenue"], rows["propensity"], n_arms=3),
        keys=hash_keys(rows["cluster_id"]),
        **DRAW,
    )
    assert found.cost.shape == (21, 8)
    assert (found.n == expected.n).all()
    assert found.cost == pytest.approx(expected.cost, rel=1e-9)
    assert found.gain == pytest.approx(expected.gain, rel=1e-9, abs=1e-9)


def test_few_slopes_keep_a_block_each(frame: DataFrame) -> None:
    same = F.array(F.when(F.col("arm") == 0, 3.0).otherwise(2.0), F.lit(-1.0))
    found = spend_sums(
        frame, same, F.array(F.lit(1.0), F.lit(2.0)), outcome="revenue", n_arms=3, **DRAW
    )
    assert found.cost[0].tolist() == [102, 198]


@pytest.mark.parametrize(
    ("gain", "cost", "message"),
    [
        ("array(1.0, 1.0, 1.0)", "cost", r"gain \[1.0, 1.0, 1.0\] in 300 of 300 rows; give 2"),
        ("array(1.0, double('nan'))", "cost", "gain .*NaN.* in 300 of 300"),
        ("gain", "array(1.0, if(arm = 0, -1.0, 1.0))", r"cost \[1.0, -1.0\] in 102 of 300 rows"),
        ("gain", "array(null, 1.0)", "cost .* in 300 of 300 rows"),
    ],
)
def test_prices_that_nobody_could_pay_are_refused(
    frame: DataFrame, gain: str, cost: str, message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        spend_sums(frame, F.expr(gain), F.expr(cost), outcome="revenue", n_arms=3, **DRAW)


def test_calibration_and_closed_form_errors_agree_with_numpy(
    frame: DataFrame, rows: pd.DataFrame
) -> None:
    priority = np.array(rows["gain"].tolist())[:, 0]
    columns = (priority, rows["arm"], rows["revenue"])
    weight, keys = 1 / rows["propensity"], hash_keys(rows["cluster_id"])
    expected = numpy_ranked_sums(*columns, n_arms=3, weight=weight, keys=keys, **DRAW)
    [found] = ranked_sums(frame, [F.col("gain")[0]], outcome="revenue", n_arms=3, **DRAW)
    assert calibrate_effects(found, 1, level=0.9) == calibrate_effects(expected, 1, level=0.9)
    error = jackknife(
        frame,
        numpy_jackknife.influence(autoc, found, 1),
        F.col("gain")[0],
        outcome="revenue",
        level=0.9,
    )
    ours = numpy_jackknife.jackknife(
        autoc, expected, 1, *columns, weight=weight, keys=keys, level=0.9
    )
    assert error.standard_error == pytest.approx(ours.standard_error, rel=1e-9)
    assert error.low == pytest.approx(ours.low, rel=1e-9)
