from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from jobs import score_customers
from tests.conftest import ROOT
from tests.jobs.builders import leave_experiment
from tests.serving.builders import customers, model
from uplift.arms import Arms
from uplift.config import Config, load_config
from uplift.errors import ContractError, ModelNotReadyError, VersionMismatchError
from uplift.learners.model import UpliftModel
from uplift.workspace import Workspace, read_document

pytestmark = pytest.mark.spark

CONF = [ROOT / "conf/base.yaml", ROOT / "conf/campaigns/coupon.yaml"]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A workspace as the jobs before this one leave it."""
    workspace = Workspace(tmp_path / "coupon")
    folder = workspace.table("customer_features")
    folder.mkdir(parents=True)
    pq.write_table(customers(), folder / "part-00000.parquet")
    model().save(workspace.model)
    return load_config(CONF, [f"workspace={workspace.root}"])


def table(config: Config) -> Path:
    return Workspace(config.workspace).table("customer_scores")


def test_everybody_is_scored_by_the_campaigns_prices(spark: SparkSession, config: Config) -> None:
    score_customers.run(spark, config)
    scores = pq.read_table(table(config)).sort_by("unit_id")
    assert scores["unit_id"].to_pylist() == customers()["unit_id"].to_pylist()
    expected = model().expected_outcome(model().encoder.encode(customers()))
    assert scores["expected_conversion"].to_pylist() == expected.tolist()
    in_arm, control = expected[:, 1], expected[:, 0]
    gain, cost = 30.0 * (in_arm - control), 0.1 + 5.0 * in_arm
    assert [row[0] for row in scores["gain"].to_pylist()] == gain.tolist()
    assert [row[0] for row in scores["cost"].to_pylist()] == cost.tolist()


def test_a_second_run_writes_the_same_bytes(spark: SparkSession, config: Config) -> None:
    def content() -> list[bytes]:
        score_customers.run(spark, config)
        return [path.read_bytes() for path in sorted(table(config).glob("*.parquet"))]

    assert content() == content()


def test_without_an_experiment_all_evidence_is_weak_and_the_report_says_so(
    spark: SparkSession, config: Config
) -> None:
    score_customers.run(spark, config)
    assert set(pq.read_table(table(config))["evidence"].to_pylist()) == {"weak"}
    found = read_document(Workspace(config.workspace).report("calibration"), made_by="itself")
    assert found == {"bins": {}, "level": 0.95, "model_version": model().version}


def test_a_group_is_kept_for_the_limits_and_must_be_there(
    spark: SparkSession, config: Config
) -> None:
    shares = "shares: {Ulm: {most: 0.5}}"

    def grouped(attribute: str) -> Config:
        chosen = f"policy.groups={{attribute: {attribute}, {shares}}}"
        return load_config(CONF, [f"workspace={config.workspace}", chosen])

    score_customers.run(spark, grouped("city"))
    found = pq.read_table(table(config)).sort_by("unit_id")
    assert found["group"].to_pylist() == customers()["city"].to_pylist()
    with pytest.raises(ContractError, match=r"no attribute 'town'.*policy\.groups\.attribute"):
        score_customers.run(spark, grouped("town"))


def test_held_out_rows_say_how_sure_the_effects_are(spark: SparkSession, config: Config) -> None:
    """Both coupons work as the model says, for all of 12,000 held-out customers."""
    leave_experiment(Workspace(config.workspace), n=12_000)
    score_customers.run(spark, config)
    scores = pq.read_table(table(config)).sort_by("unit_id")
    best = np.array([max(row) for row in scores["cate"].to_pylist()])
    evidence = np.array(scores["evidence"].to_pylist())
    segment = np.array(scores["segment"].to_pylist())
    assert set(evidence[best >= 0.2]) == {"strong"}
    little = (best > 0.0) & (best < 0.06)
    assert set(evidence[little & (segment == "persuadable")]) == {"weak"}
    assert set(evidence[little & (segment == "lost_cause")]) == {"weak"}
    assert set(evidence[little & (segment == "sure_thing")]) == {"strong"}  # 5 euro never come back


def test_segments_follow_the_config(spark: SparkSession, config: Config) -> None:
    changed = load_config(
        CONF, [f"workspace={config.workspace}", "segments.sure_thing_conversion=0.9"]
    )
    score_customers.run(spark, changed)
    assert "sure_thing" not in pq.read_table(table(config))["segment"].to_pylist()


def test_a_model_of_other_arms_is_refused(spark: SparkSession, config: Config) -> None:
    swapped = Arms(("no_coupon", "coupon_10", "coupon_5"))
    fitted = UpliftModel(swapped, model().encoder, model().ensembles)
    fitted.save(Workspace(config.workspace).model)
    with pytest.raises(VersionMismatchError, match=r"knows the arms \['no_coupon', 'coupon_10'"):
        score_customers.run(spark, config)


def test_no_features_and_no_model_name_the_job_that_makes_them(
    spark: SparkSession, config: Config, tmp_path: Path
) -> None:
    elsewhere = load_config(CONF, [f"workspace={tmp_path / 'empty'}"])
    with pytest.raises(ContractError, match=r"Run jobs/build_customer_features"):
        score_customers.run(spark, elsewhere)
    Workspace(config.workspace).model.rename(tmp_path / "away")
    with pytest.raises(ModelNotReadyError, match=r"jobs/train_model"):
        score_customers.run(spark, config)
