"""Decide who gets which coupon tonight, within the budget.

Reads the table customer_scores; writes the table decisions and the reports policy (the priced
rule, which the decision service follows too) and allocation (what it costs and should bring).

    python -m jobs.assign_coupons --config conf/base.yaml --config conf/campaigns/coupon.yaml
    spark-submit jobs/assign_coupons.py --config ...

Next: jobs/publish_snapshot.py
"""

import logging
import sys
import time
from collections.abc import Sequence
from typing import cast

from pyspark.sql import DataFrame, SparkSession

from uplift import columns
from uplift.config import Config
from uplift.logs import event
from uplift.policy import Policy, value_rule
from uplift.spark.allocation import (
    allocation_report,
    decided_customers,
    price_budget,
    require_priceable,
)
from uplift.spark.door import run_job
from uplift.spark.publish import stamp_of
from uplift.spark.scoring import average_control_conversion
from uplift.spark.tables import read_table, write_table
from uplift.workspace import Workspace, write_document

log = logging.getLogger(__name__)

_DECISIONS = (
    columns.UNIT_ID,
    columns.DECISION_ARM,
    columns.REASON,
    columns.DECISION_PROPENSITY,
)
_MUCH_UNSPENT = 0.1  # of the budget


def run(spark: SparkSession, config: Config) -> None:
    """Price the budget, decide for everybody, report."""
    start = time.monotonic()
    workspace = Workspace(config.workspace)
    scores = read_table(spark, workspace.table("customer_scores"), made_by="score_customers")
    priced = price_budget(scores, unpriced_policy(scores, config))
    policy = priced.policy
    decided = decided_customers(scores, policy).persist()
    try:
        report = allocation_report(decided, priced)
        rows = write_table(decided.select(*_DECISIONS), workspace.table("decisions"))
    finally:
        decided.unpersist()
    write_document(workspace.report("policy"), policy.to_document())
    write_document(workspace.report("allocation"), report)
    spend = cast(float, report["expected_spend_eur"])
    event(
        log,
        "coupons.assigned",
        customers=rows,
        shadow_price=policy.shadow_price,
        expected_spend_eur=spend,
        expected_profit_eur=cast(float, report["expected_incremental_profit_eur"]),
        seconds=round(time.monotonic() - start, 1),
    )
    warn_of_unspent(policy, spend)


def unpriced_policy(scores: DataFrame, config: Config) -> Policy:
    """The policy that the config declares for these scores, as if money were no object."""
    as_of, model_version = stamp_of(scores)
    value = value_rule(config.campaign)
    require_priceable(scores, value)
    sure_thing_conversion = config.segments.sure_thing_conversion
    if sure_thing_conversion is None:
        sure_thing_conversion = average_control_conversion(scores)
    return Policy(
        campaign_id=config.campaign.id,
        arms=config.campaign.arms,
        model_version=model_version,
        as_of=as_of.isoformat(),
        value=value,
        shadow_price=0.0,
        budget_eur=config.policy.budget_eur,
        holdout_share=config.policy.holdout_share,
        exploration_share=config.policy.exploration_share,
        salt=config.policy.salt,
        sure_thing_conversion=sure_thing_conversion,
        harm_tolerance=config.segments.harm_tolerance,
    )


def warn_of_unspent(policy: Policy, spend_eur: float) -> None:
    """Say so when a budget that binds is left over.

    Customers who look alike to the model are served alike, so a coupon that is too dear for all of
    a large group goes to none of it.
    """
    if policy.budget_eur is None or policy.shadow_price == 0.0:
        return
    unspent = policy.budget_eur - spend_eur
    if unspent > _MUCH_UNSPENT * policy.budget_eur:
        event(
            log,
            "budget.left_unspent",
            level=logging.WARNING,
            budget_eur=policy.budget_eur,
            unspent_eur=unspent,
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
