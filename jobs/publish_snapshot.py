"""Publish tonight's scores, decisions, model and policy as one immutable run.

Reads the tables customer_features, customer_scores and decisions, the report policy and the model.
Writes published/runs/<run_id>/ and the report snapshot, loads the online store, then moves
published/CURRENT (jobs/load_online_store.py). Services and exports see the old run or the new one,
never half of one; the same inputs give the same run.

    python -m jobs.publish_snapshot --config conf/base.yaml --config conf/campaigns/coupon.yaml
    spark-submit jobs/publish_snapshot.py --config ...

Next: jobs/export_segments.py, or `python -m serving`. To go back: jobs/roll_back.py
"""

import logging
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pyarrow.dataset as ds
from pyspark.sql import DataFrame, SparkSession

from jobs import load_online_store
from uplift import columns
from uplift.audience.manifest import Facts, SegmentSize
from uplift.audience.snapshot import place, staging_folder
from uplift.config import Config
from uplift.errors import ContractError, VersionMismatchError
from uplift.features.encoder import FeatureEncoder
from uplift.learners.model import UpliftModel, load_model
from uplift.logs import event
from uplift.online.sqlite import build_store
from uplift.policy.published import Policy
from uplift.spark.door import run_job
from uplift.spark.publish import (
    published_scores,
    reconcile,
    segment_sizes,
    stamp_of,
    write_published,
)
from uplift.spark.tables import read_table
from uplift.workspace import Workspace, read_document, write_document

_LOG = logging.getLogger(__name__)
_FEATURES, _SCORES, _DECISIONS = "customer_features", "customer_scores", "decisions"


def run(spark: SparkSession, config: Config) -> None:
    """Put the run in its place, then point readers to it."""
    place_run(spark, config)
    load_online_store.run(spark, config)


def place_run(spark: SparkSession, config: Config) -> None:
    """Check that everything belongs together, and put it among the runs; readers stay."""
    start = time.perf_counter()
    workspace = Workspace(config.workspace)
    features = workspace.table(_FEATURES)
    tables = {
        _FEATURES: read_table(spark, features, made_by="build_customer_features"),
        _SCORES: read_table(spark, workspace.table(_SCORES), made_by="score_customers"),
        _DECISIONS: read_table(spark, workspace.table(_DECISIONS), made_by="assign_coupons"),
    }
    document = read_document(workspace.report("policy"), made_by="assign_coupons")
    policy, model = Policy.from_document(document), load_model(workspace.model)
    as_of = check_one_night(tables[_SCORES], policy, model, campaign_id=config.campaign.id)
    n_customers = reconcile(tables)
    wide = published_scores(
        tables[_SCORES], tables[_DECISIONS], arms=policy.arms, policy_version=policy.version
    )
    with staging_folder(workspace.published) as folder:
        n_scores = write_published(wide, folder / "scores")
        n_stored = store_customers(features, folder / "customers.sqlite", model.encoder)
        check_counts({"scores": n_scores, "customers.sqlite": n_stored}, n_customers)
        model.save(folder / "model")
        write_document(folder / "policy.json", policy.to_document())
        written = spark.read.parquet(str((folder / "scores").absolute()))
        facts = Facts(
            campaign_id=policy.campaign_id,
            as_of=as_of,
            model_version=model.version,
            policy_version=policy.version,
            arms=policy.arms.names,
            rows={"scores": n_scores, "customers": n_stored},
            columns=dict(written.dtypes),
            segments={
                name: SegmentSize(customers, offers)
                for name, (customers, offers) in segment_sizes(written, arms=policy.arms).items()
            },
        )
        snapshot = place(workspace.published, folder, facts)
    write_document(
        workspace.report("snapshot"),
        {"run_id": snapshot.run_id, "as_of": as_of.isoformat(), "customers": n_customers},
    )
    event(
        _LOG,
        "snapshot.placed",
        run_id=snapshot.run_id,
        customers=n_customers,
        path=str(snapshot.folder),
        seconds=round(time.perf_counter() - start, 1),
    )


def check_one_night(
    scores: DataFrame, policy: Policy, model: UpliftModel, *, campaign_id: str
) -> datetime:
    """When the features were taken, if scores, policy and model are of the same night.

    Raises:
        VersionMismatchError: One of them is older, or of another campaign.
    """
    policy.require_model(model.version)
    as_of, scored_by = stamp_of(scores)
    if scored_by != model.version:
        raise VersionMismatchError(
            f"customer_scores were made by model {scored_by!r}, the model is {model.version!r}. "
            "Run jobs.score_customers and jobs.assign_coupons with this model."
        )
    if datetime.fromisoformat(policy.as_of) != as_of:
        raise VersionMismatchError(
            f"policy {policy.version!r} was priced on scores as of {policy.as_of}, "
            f"customer_scores are as of {as_of.isoformat()}. Run jobs.assign_coupons again."
        )
    if policy.arms != model.arms:
        raise VersionMismatchError(
            f"the policy's arms are {list(policy.arms.names)}, the model's "
            f"{list(model.arms.names)}. Train the model with the arms of `campaign`."
        )
    if policy.campaign_id != campaign_id:
        raise VersionMismatchError(
            f"the policy is of campaign {policy.campaign_id!r}, the config of {campaign_id!r}. "
            "Give each campaign its own `workspace`, or run jobs.assign_coupons again."
        )
    return as_of


def store_customers(table: Path, store: Path, encoder: FeatureEncoder) -> int:
    """Copy a Parquet table of features into the online store, batch by batch."""
    wanted = [columns.UNIT_ID, columns.CONTACTABLE, *encoder.names]
    return build_store(store, ds.dataset(table, format="parquet").to_batches(wanted), encoder)


def check_counts(written: dict[str, int], expected: int) -> None:
    """Refuse to publish a run that lost or gained customers on the way."""
    amiss = {name: rows for name, rows in written.items() if rows != expected}
    if amiss:
        raise ContractError(
            f"{amiss} rows were written for {expected:,} customers: a table changed while it was "
            "read. Run jobs.publish_snapshot again, when no other job writes."
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a job; the exit status is 2 after an error."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
