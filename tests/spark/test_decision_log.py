"""What the service logs is what the next experiment is read from."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.conftest import ROOT
from uplift.config import RawInputs, load_config
from uplift.online.decision_log import DecisionLog
from uplift.spark.inputs import read_assignments


@pytest.mark.spark
def test_closed_files_are_read_as_assignments_and_open_ones_are_not(
    spark: SparkSession, tmp_path: Path
) -> None:
    record = {
        "experiment_id": "coupon",
        "unit_id": "ann",
        "arm": "coupon_5",
        "assigned_at": datetime(2026, 6, 1, 12, tzinfo=UTC).isoformat(timespec="milliseconds"),
        "propensity": 0.84,
        "cluster_id": None,
        "decision_id": "d1",
        "reason": "net_value",
    }
    closed = DecisionLog(tmp_path)
    closed.append(json.dumps(record).encode())
    closed.append(json.dumps({**record, "unit_id": "bob", "arm": "no_coupon"}).encode())
    closed.close()
    still_open = DecisionLog(tmp_path)
    still_open.append(json.dumps({**record, "unit_id": "eve"}).encode())
    campaign = load_config(
        [ROOT / "conf/base.yaml", ROOT / "conf/campaigns/coupon.yaml"], []
    ).campaign
    raw = RawInputs(assignments=str(tmp_path), events="", customers="", format="json")

    read = read_assignments(spark, raw, campaign)
    rows = sorted(read.rows.collect(), key=lambda row: row["unit_id"])
    still_open.close()

    assert [(r["unit_id"], r["arm"], r["propensity"], r["cluster_id"]) for r in rows] == [
        ("ann", "coupon_5", 0.84, "ann"),
        ("bob", "no_coupon", 0.84, "bob"),
    ]
