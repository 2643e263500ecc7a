"""Beside a simulated log stands its truth: what the model said, against what is so.

The truth of a customer is an outcome per arm, so an oracle is just one more model: its ranking
goes through the same metric, its allocation through the same budget.
"""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.arms import CONTROL, Arms
from uplift.evaluation.metrics import autoc
from uplift.policy import Policy, ValueRule
from uplift.spark.allocation import allocation_report, decided_customers, price_budget
from uplift.spark.ranked_sums import ranked_sums

TRUE_CONVERSION = "true_conversion"  # array<double>, arms 0..K
TRUE_REVENUE = "true_revenue"  # array<double>, arms 0..K, euro

Document = dict[str, object]

_OUTCOME = "outcome_in_arm"


def true_effects(expected: DataFrame, arms: Arms, *, max_blocks: int) -> Document:
    """Per treatment: the true average effect, and how well the model finds whom it works for.

    AUTOC is that of the metric with the noise taken out: every unit stands in every arm with its
    true chance. It does not depend on the shares of the arms, so it is what the interval of a
    measured AUTOC should cover.

    Args:
        expected: Held-out units with ``expected_conversion`` and ``true_conversion``.
        arms: Of the campaign.
        max_blocks: As in ``ranked_sums``.

    Returns:
        ``{<arm>: {true_ate, predicted_ate, correlation, autoc: {model, oracle}}}``, JSON values.
    """
    numbers = range(1, arms.n_treatments + 1)
    means = expected.agg(
        *(F.avg(_effect(TRUE_CONVERSION, k)).alias(f"true_{k}") for k in numbers),
        *(F.avg(_effect(columns.EXPECTED_CONVERSION, k)).alias(f"predicted_{k}") for k in numbers),
        *(
            F.corr(_effect(columns.EXPECTED_CONVERSION, k), _effect(TRUE_CONVERSION, k)).alias(
                f"correlation_{k}"
            )
            for k in numbers
        ),
    ).collect()[0]
    rankings = [_effect(columns.EXPECTED_CONVERSION, k) for k in numbers]
    oracles = [_effect(TRUE_CONVERSION, k) for k in numbers]
    sums = ranked_sums(
        _in_every_arm(expected, arms),
        [*rankings, *oracles],
        outcome=_OUTCOME,
        n_arms=len(arms.names),
        replicates=0,
        seed=0,
        max_blocks=max_blocks,
    )
    return {
        arms.names[k]: {
            "true_ate": means[f"true_{k}"],
            "predicted_ate": means[f"predicted_{k}"],
            "correlation": means[f"correlation_{k}"],
            "autoc": {
                "model": float(autoc(sums[k - 1], k)[0]),
                "oracle": float(autoc(sums[arms.n_treatments + k - 1], k)[0]),
            },
        }
        for k in numbers
    }


def true_segments(scored: DataFrame, arms: Arms) -> Document:
    """Per segment: how many, and the predicted and true average effect of every treatment.

    Args:
        scored: Of ``customer_scores`` with ``true_conversion``.
        arms: Of the campaign.
    """
    numbers = range(1, arms.n_treatments + 1)
    found = scored.groupBy(columns.SEGMENT).agg(
        F.count("*").alias("customers"),
        *(F.avg(F.col(columns.CATE)[k - 1]).alias(f"predicted_{k}") for k in numbers),
        *(F.avg(_effect(TRUE_CONVERSION, k)).alias(f"true_{k}") for k in numbers),
    )
    return {
        row[columns.SEGMENT]: {
            "customers": row["customers"],
            "treatments": {
                arms.names[k]: {"predicted": row[f"predicted_{k}"], "true": row[f"true_{k}"]}
                for k in numbers
            },
        }
        for row in found.collect()
    }


def true_profits(decided: DataFrame, policy: Policy) -> Document:
    """What policies really earn: tonight's, each coupon for everybody, and an oracle's.

    The oracle knows every customer's true chances and has the same budget, holdout and
    exploration. Coupons for everybody go to all who may be contacted, whatever they cost.

    Args:
        decided: ``unit_id``, ``contactable``, ``decision_arm``, ``true_conversion`` and
            ``true_revenue``.
        policy: As priced for tonight.

    Returns:
        ``{<policy>: {profit_eur, spend_eur, conversions}}``, incremental, JSON values.
    """
    constant = {
        f"everybody:{name}": F.when(F.col(columns.CONTACTABLE), number).otherwise(CONTROL)
        for number, name in enumerate(policy.arms.names)
        if number != CONTROL
    }
    profits = _profits(decided, {"tonight": F.col(columns.DECISION_ARM), **constant}, policy.value)
    truth_as_scores = decided.select(
        columns.UNIT_ID,
        columns.CONTACTABLE,
        F.col(TRUE_CONVERSION).alias(columns.EXPECTED_CONVERSION),
        F.col(TRUE_REVENUE).alias(columns.EXPECTED_REVENUE),
    )
    oracle = price_budget(truth_as_scores, policy)
    report = allocation_report(decided_customers(truth_as_scores, oracle.policy), oracle)
    profits["oracle"] = {
        "profit_eur": report["expected_incremental_profit_eur"],
        "spend_eur": report["expected_spend_eur"],
        "conversions": report["expected_incremental_conversions"],
    }
    return profits


def _profits(frame: DataFrame, arms: Mapping[str, Column], value: ValueRule) -> Document:
    """Incremental profit, spend and conversions of giving each unit the arm of a column."""
    contact, redemption = (
        F.array(F.lit(0.0), *map(F.lit, costs))
        for costs in (value.contact_cost_eur, value.redemption_cost_eur)
    )
    sums = []
    for name, arm in arms.items():
        conversions = _of_arm(F.col(TRUE_CONVERSION), arm) - F.col(TRUE_CONVERSION)[CONTROL]
        revenue = _of_arm(F.col(TRUE_REVENUE), arm) - F.col(TRUE_REVENUE)[CONTROL]
        by_conversion = value.basis == "conversion"
        gain = (
            F.lit(value.margin_per_conversion_eur) * conversions
            if by_conversion
            else F.lit(value.margin_rate) * revenue
        )
        redeemed = _of_arm(redemption, arm) * _of_arm(F.col(TRUE_CONVERSION), arm)
        spend = _of_arm(contact, arm) + redeemed
        parts = {"profit_eur": gain - spend, "spend_eur": spend, "conversions": conversions}
        sums.append(F.struct(*(F.sum(c).alias(part) for part, c in parts.items())).alias(name))
    found = frame.agg(*sums).collect()[0]
    return {name: found[name].asDict() for name in arms}


def _in_every_arm(expected: DataFrame, arms: Arms) -> DataFrame:
    """Every unit once per arm, with its true chance as outcome: an experiment without noise."""
    rows = expected.select("*", F.posexplode(TRUE_CONVERSION).alias(columns.ARM, _OUTCOME))
    return rows.select(
        columns.EXPECTED_CONVERSION,
        TRUE_CONVERSION,
        columns.ARM,
        _OUTCOME,
        F.lit(1.0 / len(arms.names)).alias(columns.PROPENSITY),
        F.concat_ws("/", columns.UNIT_ID, columns.ARM).alias(columns.CLUSTER_ID),
    )


def _effect(outcome: str, treatment: int) -> Column:
    return F.col(outcome)[treatment] - F.col(outcome)[CONTROL]


def _of_arm(per_arm: Column, arm: Column) -> Column:
    return F.element_at(per_arm, arm + 1)
