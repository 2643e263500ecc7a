"""Tonight's coupons: the price at which the budget lasts, then everybody's decision."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from uplift import columns
from uplift.errors import BudgetError
from uplift.policy import (
    REASONS,
    SEGMENTS,
    Policy,
    ValueRule,
    decide,
    duality_gap,
    gain_and_cost,
)
from uplift.policy.budget import NANO_PER_EURO, price_above, whole_nano_euro
from uplift.policy.claims import claims_on_budget
from uplift.policy.cuts import COARSE_SHIFT, FINE_SHIFT, Integers, cells_of, crossing_cells
from uplift.spark.arrow import Matrix, to_booleans, to_matrix
from uplift.spark.cells import fill_from
from uplift.spark.scoring import expected_revenue

EXPECTED_GAIN = "expected_gain_eur"
EXPECTED_SPEND = "expected_spend_eur"
EXPECTED_CONVERSIONS = "expected_conversions"

_DECIDED = T.StructType(
    [
        T.StructField(columns.UNIT_ID, T.StringType(), nullable=False),
        T.StructField(columns.DECISION_ARM, T.IntegerType(), nullable=False),
        T.StructField(columns.REASON, T.StringType(), nullable=False),
        T.StructField(columns.DECISION_PROPENSITY, T.DoubleType(), nullable=False),
        T.StructField(columns.SEGMENT, T.StringType(), nullable=False),
        T.StructField(EXPECTED_GAIN, T.DoubleType(), nullable=False),
        T.StructField(EXPECTED_SPEND, T.DoubleType(), nullable=False),
        T.StructField(EXPECTED_CONVERSIONS, T.DoubleType(), nullable=False),
    ]
)


def price_budget(scores: DataFrame, policy: Policy) -> Policy:
    """The policy at the price at which its budget lasts for all of ``scores``.

    Two passes; only histograms of slopes reach the driver. The price is the same however the rows
    are partitioned, and the same that numpy finds.

    Raises:
        BudgetError: Exploration alone would spend more than the budget.
    """
    if policy.budget_eur is None:
        return replace(policy, shadow_price=0.0)
    fill = fill_from(_known(scores), partial(_claims, policy=policy))
    (crossing,) = crossing_cells(fill, [whole_nano_euro(policy.budget_eur)])
    if crossing == cells_of([math.inf], FINE_SHIFT)[0]:
        (explored,) = fill(FINE_SHIFT, cells_of([math.inf], COARSE_SHIFT).tolist()).weight
        raise BudgetError(
            f"exploration alone would spend {explored / NANO_PER_EURO:,.2f} euro, the budget is "
            f"{policy.budget_eur:,.2f}. Lower `policy.exploration_share` (now "
            f"{policy.exploration_share:g}) or raise `policy.budget_eur`."
        )
    return replace(policy, shadow_price=price_above(crossing))


def require_priceable(scores: DataFrame, value: ValueRule) -> None:
    """Price one customer here, so that a mismatch is one clear error and no failed task.

    Raises:
        VersionMismatchError: The scores are for other arms than the prices.
        ContractError: The prices need revenue, the scores have none.
    """
    for batch in _known(scores.limit(1)).toArrow().to_batches():
        conversion = batch.column(columns.EXPECTED_CONVERSION).to_pylist()
        revenue = expected_revenue(batch, len(conversion[0]))
        gain_and_cost(conversion, revenue, value=value)


def decided_customers(scores: DataFrame, policy: Policy) -> DataFrame:
    """One row per customer: decision, reason, propensity, and what the decision should bring.

    Gain, spend and conversions are those of the decided arm against control.
    """

    def answer(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _decide(batch, policy)

    return _known(scores).mapInArrow(answer, _DECIDED)


def allocation_report(decided: DataFrame, policy: Policy) -> dict[str, object]:
    """Who gets what under the policy, and what that should cost and bring; all counts, euro.

    ``duality_gap_eur`` bounds what any other allocation within the budget could earn more.
    """
    counted = decided.groupBy(columns.DECISION_ARM, columns.REASON, columns.SEGMENT).agg(
        F.count("*"), *map(_nano_sum, (EXPECTED_GAIN, EXPECTED_SPEND, EXPECTED_CONVERSIONS))
    )
    arms, reasons, segments = (
        dict.fromkeys(names, 0) for names in (policy.arms.names, REASONS, SEGMENTS)
    )
    gain = spend = conversions = 0
    for arm, reason, segment, n, *sums in counted.collect():
        arms[policy.arms.names[arm]] += n
        reasons[reason] += n
        segments[segment] += n
        gain, spend, conversions = gain + sums[0], spend + sums[1], conversions + sums[2]
    return {
        "campaign_id": policy.campaign_id,
        "as_of": policy.as_of,
        "model_version": policy.model_version,
        "policy_version": policy.version,
        "budget_eur": policy.budget_eur,
        "shadow_price": policy.shadow_price,
        "duality_gap_eur": duality_gap(
            policy.shadow_price, policy.budget_eur, spend / NANO_PER_EURO
        ),
        "expected_spend_eur": spend / NANO_PER_EURO,
        "expected_incremental_margin_eur": gain / NANO_PER_EURO,
        "expected_incremental_profit_eur": (gain - spend) / NANO_PER_EURO,
        "expected_incremental_conversions": conversions / NANO_PER_EURO,
        "customers": sum(arms.values()),
        "arms": arms,
        "reasons": reasons,
        "segments": segments,
    }


def _known(scores: DataFrame) -> DataFrame:
    """What a decision is made from, and no more."""
    names = [columns.UNIT_ID, columns.CONTACTABLE, columns.EXPECTED_CONVERSION]
    if columns.EXPECTED_REVENUE in scores.columns:
        names.append(columns.EXPECTED_REVENUE)
    return scores.select(names)


def _arguments(
    batch: pa.RecordBatch, policy: Policy
) -> tuple[list[str], Matrix, Matrix | None, npt.NDArray[np.bool_]]:
    """The arguments that ``decide`` and ``claims_on_budget`` share, after the policy."""
    n_arms = len(policy.arms.names)
    return (
        batch.column(columns.UNIT_ID).to_pylist(),
        to_matrix(batch.column(columns.EXPECTED_CONVERSION), n_arms),
        expected_revenue(batch, n_arms),
        to_booleans(batch.column(columns.CONTACTABLE)),
    )


def _claims(batch: pa.RecordBatch, policy: Policy) -> tuple[Matrix, Integers]:
    claims = claims_on_budget(policy, *_arguments(batch, policy))
    return claims.slope, claims.nano_euro


def _decide(batch: pa.RecordBatch, policy: Policy) -> pa.RecordBatch:
    unit_ids, conversion, revenue, contactable = _arguments(batch, policy)
    decisions = decide(policy, unit_ids, conversion, revenue, contactable)

    def of_decided(per_treatment: Matrix) -> Matrix:
        """The entry of the decided arm, 0 for control."""
        per_arm = np.column_stack([np.zeros(len(per_treatment)), per_treatment])
        chosen: Matrix = per_arm[np.arange(len(per_arm)), decisions.arm]
        return chosen

    answers = {
        columns.UNIT_ID: batch.column(columns.UNIT_ID),
        columns.DECISION_ARM: decisions.arm.astype(np.int32),
        columns.REASON: decisions.reason,
        columns.DECISION_PROPENSITY: decisions.propensity,
        columns.SEGMENT: decisions.segment,
        EXPECTED_GAIN: of_decided(decisions.gain),
        EXPECTED_SPEND: of_decided(decisions.cost),
        EXPECTED_CONVERSIONS: of_decided(conversion[:, 1:] - conversion[:, :1]),
    }
    return pa.RecordBatch.from_pydict({name: pa.array(v) for name, v in answers.items()})


def _nano_sum(name: str) -> Column:
    """Sum in billionths: integers, so that partitions and their order change nothing."""
    return F.sum(F.round(F.col(name) * NANO_PER_EURO).cast("long"))
