"""Score everybody: expected outcomes, worth of every coupon, segment and decile.

Reads the table customer_features, the model and, where it is, training_set, whose held-out rows
say how sure the effects are. Writes the table customer_scores and the report calibration.

    python -m jobs.score_customers --config conf/base.yaml --config conf/campaigns/coupon.yaml
    spark-submit jobs/score_customers.py --config ...

Next: jobs/assign_coupons.py
"""

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from pyspark.sql import SparkSession

from uplift import columns
from uplift.config import Config
from uplift.errors import VersionMismatchError
from uplift.learners.model import UpliftModel, load_model
from uplift.logs import event
from uplift.policy import value_rule
from uplift.policy.evidence import EffectIntervals
from uplift.spark.door import run_job
from uplift.spark.held_out_effects import effect_intervals, unseen_rows
from uplift.spark.scoring import score_customers
from uplift.spark.tables import read_table, write_table
from uplift.workspace import Workspace, write_document

log = logging.getLogger(__name__)


def run(spark: SparkSession, config: Config) -> None:
    """Read, score, write."""
    start = time.monotonic()
    workspace = Workspace(config.workspace)
    features = read_table(
        spark, workspace.table("customer_features"), made_by="build_customer_features"
    )
    model = campaign_model(config)
    intervals = EffectIntervals(config.evaluation.level)
    unseen = unseen_rows(spark, workspace)
    if unseen is not None:
        outcomes = dict.fromkeys([columns.CONVERSION, config.campaign.value.basis])
        intervals = effect_intervals(
            unseen,
            model,
            tuple(outcomes),
            config.evaluation,
            bins=config.segments.evidence_bins,
        )
    groups = config.policy.groups
    with score_customers(
        features,
        model,
        value=value_rule(config.campaign),
        sure_thing_conversion=config.segments.sure_thing_conversion,
        harm_tolerance=config.segments.harm_tolerance,
        intervals=intervals,
        group=None if groups is None else groups.attribute,
    ) as scores:
        rows = write_table(scores, workspace.table("customer_scores"))
    document = {**asdict(intervals), columns.MODEL_VERSION: model.version}
    write_document(workspace.report("calibration"), document)
    event(
        log,
        "customer_scores.written",
        rows=rows,
        model_version=model.version,
        seconds=round(time.monotonic() - start, 1),
    )


def campaign_model(config: Config) -> UpliftModel:
    """The champion, if it knows the campaign's arms in the campaign's order.

    Raises:
        VersionMismatchError: It was trained with others.
    """
    model, arms = load_model(Workspace(config.workspace).model), config.campaign.arms
    if model.arms != arms:
        raise VersionMismatchError(
            f"model {model.version!r} knows the arms {list(model.arms.names)}, the campaign has "
            f"{list(arms.names)}. Train again with jobs/train_model, or restore the treatments of "
            "`campaign`."
        )
    return model


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
