"""Tonight's coupons: the prices at which the budget lasts, then everybody's decision."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from uplift import columns
from uplift.policy import (
    REASONS,
    SEGMENTS,
    Policy,
    ValueRule,
    decide,
    gain_and_cost,
)
from uplift.policy.budget import NANO_PER_EURO
from uplift.policy.contenders import Contenders, contenders
from uplift.policy.cuts import FillHistogram
from uplift.policy.limits import Survey, Weigh, in_memory
from uplift.policy.pricing import Priced, price
from uplift.spark.arrow import Matrix, to_booleans, to_lists, to_matrix
from uplift.spark.cells import fill_from
from uplift.spark.scoring import expected_revenue, kept

_FEW = 500_000  # customers; with five coupons about 60 MB

EXPECTED_GAIN = "expected_gain_eur"
EXPECTED_SPEND = "expected_spend_eur"
EXPECTED_CONVERSIONS = "expected_conversions"

_PER_ARM = T.ArrayType(T.DoubleType(), containsNull=False)
_CONTENDERS = T.StructType(
    [
        T.StructField("gain", _PER_ARM),
        T.StructField("cost", _PER_ARM),
        T.StructField("fixed_arm", T.IntegerType()),
        T.StructField("tie", T.DoubleType()),
        T.StructField("group", T.StringType()),
        T.StructField("counts", T.BooleanType()),
    ]
)
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


@contextmanager
def surveyed(scores: DataFrame, policy: Policy, *, few: int = _FEW) -> Iterator[Survey]:
    """Ask the contenders among ``scores``.

    Draws are hashed and values computed once. Up to ``few`` customers are brought to the driver,
    where a question takes milliseconds: several limits need hundreds. Of more, only histograms
    reach it. Answers are the same, however the rows are partitioned.
    """
    with kept(_contenders(scores, policy)) as asked:
        if asked.count() <= few:
            (batch,) = asked.toArrow().combine_chunks().to_batches() or [_nobody()]
            yield in_memory(_contenders_of(batch, policy))
            return

        def survey(weigh: Weigh) -> FillHistogram:
            return fill_from(asked, lambda batch: weigh(_contenders_of(batch, policy)))

        yield survey


def price_budget(scores: DataFrame, policy: Policy) -> Priced:
    """The policy at the price at which its budget lasts for all of ``scores``."""
    with surveyed(scores, policy) as survey:
        return price(policy, survey)


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


def allocation_report(decided: DataFrame, priced: Priced) -> dict[str, object]:
    """Who gets what under the policy, and what that should cost and bring; all counts, euro.

    ``duality_gap_eur`` bounds what any other allocation within the budget could earn more.
    """
    policy = priced.policy
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
        "tie_share": policy.tie_share,
        "arm_prices_eur": dict(
            zip(policy.arms.treatments, (p.price for p in policy.arm_prices), strict=False)
        ),
        "group_prices_eur": {name: p.price for name, p in policy.group_prices.items()},
        "duality_gap_eur": priced.duality_gap_eur,
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
    optional = (columns.EXPECTED_REVENUE, columns.ELIGIBLE, columns.GROUP)
    return scores.select(
        columns.UNIT_ID,
        columns.CONTACTABLE,
        columns.EXPECTED_CONVERSION,
        *(name for name in optional if name in scores.columns),
    )


class _Asked(TypedDict):
    """The arguments that ``decide`` and ``contenders`` share, after the policy."""

    unit_ids: list[str]
    expected_conversion: Matrix
    expected_revenue: Matrix | None
    contactable: npt.NDArray[np.bool_]
    eligible: npt.NDArray[np.bool_] | None
    groups: list[str | None] | None


def _arguments(batch: pa.RecordBatch, policy: Policy) -> _Asked:
    names, shape = batch.schema.names, (batch.num_rows, policy.arms.n_treatments)
    allowed = (
        to_booleans(batch.column(columns.ELIGIBLE).flatten()).reshape(shape)
        if columns.ELIGIBLE in names
        else None
    )
    return _Asked(
        unit_ids=batch.column(columns.UNIT_ID).to_pylist(),
        expected_conversion=to_matrix(batch.column(columns.EXPECTED_CONVERSION), shape[1] + 1),
        expected_revenue=expected_revenue(batch, shape[1] + 1),
        contactable=to_booleans(batch.column(columns.CONTACTABLE)),
        eligible=allowed,
        groups=batch.column(columns.GROUP).to_pylist() if columns.GROUP in names else None,
    )


def _contenders(scores: DataFrame, policy: Policy) -> DataFrame:
    """``Contenders`` as a table, so that draws are hashed once and not once per question."""

    def prepare(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            found = contenders(policy, **_arguments(batch, policy))
            arrays = [
                to_lists(found.gain),
                to_lists(found.cost),
                pa.array(found.fixed_arm),
                pa.array(found.tie),
                pa.array(found.group, pa.string()),
                pa.array(found.counts),
            ]
            yield pa.RecordBatch.from_arrays(arrays, names=_CONTENDERS.names)

    return _known(scores).mapInArrow(prepare, _CONTENDERS)


def _nobody() -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=to_arrow_schema(_CONTENDERS))


def _contenders_of(batch: pa.RecordBatch, policy: Policy) -> Contenders:
    gain, cost = (
        to_matrix(batch.column(name), policy.arms.n_treatments) for name in ("gain", "cost")
    )
    fixed_arm, tie = (batch.column(name).to_numpy() for name in ("fixed_arm", "tie"))
    group = batch.column("group").to_numpy(zero_copy_only=False)
    return Contenders(gain, cost, fixed_arm, tie, group, to_booleans(batch.column("counts")))


def _decide(batch: pa.RecordBatch, policy: Policy) -> pa.RecordBatch:
    asked = _arguments(batch, policy)
    decisions, conversion = decide(policy, **asked), asked["expected_conversion"]

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
