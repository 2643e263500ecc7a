"""Decide who gets which coupon tonight, within the budget.

Reads the table customer_scores, the report calibration and, where they are, the held-out rows of
training_set, the suppression list and the log of contacts. Writes the table decisions, the reports
policy (the priced rule, which the decision service follows too) and allocation (what it costs and
should bring, as expected and as held-out rows bear out; the types; the what-if curve), and the
picture what_if.png beside them.

    python -m jobs.assign_coupons --config conf/base.yaml --config conf/campaigns/coupon.yaml
    spark-submit jobs/assign_coupons.py --config ...

Next: jobs/publish_snapshot.py
"""

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from typing import cast

from pydantic import TypeAdapter
from pyspark.sql import DataFrame, SparkSession

from uplift import columns
from uplift.config import Config
from uplift.evaluation.budget_figure import Curve, what_if_figure
from uplift.learners.model import load_model
from uplift.logs import event
from uplift.policy import Policy, value_rule
from uplift.policy.evidence import EffectIntervals
from uplift.policy.pricing import GroupShare, price
from uplift.spark.allocation import (
    allocation_report,
    decided_customers,
    require_priceable,
    surveyed,
)
from uplift.spark.door import run_job
from uplift.spark.eligibility import add_eligible_arms
from uplift.spark.held_out_effects import types_report, unseen_rows
from uplift.spark.outlook import Point, frontier, held_out_errors, what_if
from uplift.spark.publish import stamp_of
from uplift.spark.scoring import average_control_conversion
from uplift.spark.tables import read_table, write_table
from uplift.workspace import Workspace, read_document, write_document

log = logging.getLogger(__name__)

_DECISIONS = (
    columns.UNIT_ID,
    columns.DECISION_ARM,
    columns.REASON,
    columns.DECISION_PROPENSITY,
)
_CALIBRATED = "calibrated_incremental_profit_eur"
_MUCH_UNSPENT = 0.1  # of the budget


def run(spark: SparkSession, config: Config) -> None:
    """Price the budget, decide for everybody, report."""
    start = time.monotonic()
    workspace = Workspace(config.workspace)
    scores = read_table(spark, workspace.table("customer_scores"), made_by="score_customers")
    unpriced = unpriced_policy(scores, config)
    asked = add_eligible_arms(
        scores,
        spark,
        config.policy.eligibility,
        arms=unpriced.arms,
        campaign_id=unpriced.campaign_id,
    )
    with surveyed(asked, unpriced) as survey:
        priced = price(unpriced, survey, caps=config.policy.max_coupons, shares=shares(config))
        points = frontier(survey, priced.policy, points=config.policy.what_if_points)
    policy = priced.policy
    decided = decided_customers(asked, policy).persist()
    try:
        report = allocation_report(decided, priced)
        rows = write_table(decided.select(*_DECISIONS), workspace.table("decisions"))
    finally:
        decided.unpersist()
    report |= outlook(unseen_rows(spark, workspace), workspace, config, policy, points, report)
    write_document(workspace.report("policy"), policy.to_document())
    write_document(workspace.report("allocation"), report)
    picture = what_if_figure(cast(Curve, report["what_if"]), budget_eur=policy.budget_eur)
    picture.savefig(workspace.report("what_if").with_suffix(".png"), metadata={"Software": None})
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


def shares(config: Config) -> dict[str, GroupShare]:
    """The limits of the groups."""
    groups = config.policy.groups
    if groups is None:
        return {}
    return {name: GroupShare(one.least, one.most) for name, one in groups.shares.items()}


def outlook(
    unseen: DataFrame | None,
    workspace: Workspace,
    config: Config,
    policy: Policy,
    points: Sequence[Point],
    report: Mapping[str, object],
) -> dict[str, object]:
    """What held-out rows say to the expectations of the report, to other budgets, to the types."""
    level = config.evaluation.level
    if unseen is None:
        return {"level": level, _CALIBRATED: None, "types": None, "what_if": what_if(points)}
    model = load_model(workspace.model)
    policy.require_model(model.version)
    prices = [policy.prices, *(point.prices for point in points)]
    errors = held_out_errors(unseen, model, policy.value, prices, config.evaluation)
    offers = cast(dict[str, int], report["arms"])
    profit = cast(float, report["expected_incremental_profit_eur"])
    sent = [offers[name] for name in policy.arms.treatments]
    return {
        "level": level,
        _CALIBRATED: errors.corrected(0, profit, sent, level).to_document(),
        "types": types_report(
            unseen,
            model,
            value=policy.value,
            sure_thing_conversion=policy.sure_thing_conversion,
            segments=config.segments,
        ),
        "what_if": what_if(points, errors, level=level, first=1),
    }


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
        group_attribute=None if config.policy.groups is None else config.policy.groups.attribute,
        intervals=known_intervals(config, model_version),
    )


def known_intervals(config: Config, model_version: str) -> EffectIntervals:
    """How sure the effects of this model are, as the scoring job found out."""
    path = Workspace(config.workspace).report("calibration")
    if not path.is_file():
        return EffectIntervals()
    document = read_document(path, made_by="score_customers")
    if document.pop(columns.MODEL_VERSION) != model_version:
        return EffectIntervals()
    return TypeAdapter(EffectIntervals).validate_python(document)


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
