"""Say how close a simulated campaign came to its truth.

Reads ``raw/truth`` (of jobs/simulate_experiment), ``training_set``, the champion's bundle,
``customer_scores``, ``decisions``, the report ``policy`` and, where jobs/train_model left one, the
response model, the wrong baseline; writes the report ``truth``.

    python -m jobs.compare_with_truth --config conf/base.yaml --config conf/campaigns/coupon.yaml

Only for simulated campaigns: nobody knows the truth of a real one.

Next: jobs/print_summary.py
"""

import logging
import sys
from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from uplift import columns
from uplift.config import Config
from uplift.learners.model import load_model
from uplift.logs import event
from uplift.policy import Policy
from uplift.spark.door import run_job
from uplift.spark.scoring import add_expected_outcomes
from uplift.spark.tables import read_table
from uplift.spark.truth import RESPONSE, true_effects, true_profits, true_segments
from uplift.workspace import Workspace, read_document, write_document

log = logging.getLogger(__name__)

KEYS = (columns.UNIT_ID, columns.EXPERIMENT_ID)


def run(spark: SparkSession, config: Config) -> None:
    """Judge the model on held-out units, the segments and tonight's decisions on everybody."""
    workspace = Workspace(config.workspace)
    arms = config.campaign.arms
    truth = read_table(spark, workspace.root / "raw" / "truth", made_by="simulate_experiment")
    model = load_model(workspace.model)
    policy = Policy.from_document(
        read_document(workspace.report("policy"), made_by="assign_coupons")
    )
    training = read_table(spark, workspace.table("training_set"), made_by="build_training_set")
    scores = read_table(spark, workspace.table("customer_scores"), made_by="score_customers")
    decisions = read_table(spark, workspace.table("decisions"), made_by="assign_coupons")

    held_out = training.where(F.col(columns.SPLIT) == "test").drop(columns.ARM, columns.PROPENSITY)
    expected = add_expected_outcomes(held_out, model).join(truth, columns.UNIT_ID)
    if workspace.companion(RESPONSE).is_dir():
        expected = expected.join(priorities_of_response(held_out, workspace), list(KEYS))
    expected.persist()
    scored = scores.join(truth, columns.UNIT_ID).persist()
    decided = scored.join(decisions, columns.UNIT_ID).persist()
    document = {
        "treatments": true_effects(
            expected,
            arms,
            max_blocks=config.evaluation.blocks,
            share=config.evaluation.budget_share,
        ),
        "segments": true_segments(scored, arms),
        "policies": true_profits(decided, policy),
    }
    for frame in (expected, scored, decided):
        frame.unpersist()
    write_document(workspace.report("truth"), document)
    event(log, "truth.compared", report=str(workspace.report("truth")))


def priorities_of_response(held_out: DataFrame, workspace: Workspace) -> DataFrame:
    """Whom a model of who buys would reach first."""
    model = load_model(workspace.companion(RESPONSE))
    bought = F.element_at(columns.EXPECTED_CONVERSION, 2)
    return add_expected_outcomes(held_out, model).select(*KEYS, bought.alias(RESPONSE))


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
