"""What held-out rows tell about models: what each would have decided, and what happened instead."""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.arms import Arms
from uplift.config import Evaluation
from uplift.evaluation.policy_sums import PolicySums
from uplift.evaluation.ranked_sums import RankedSums
from uplift.learners.model import UpliftModel
from uplift.policy import ValueRule
from uplift.spark.contracts import column
from uplift.spark.policy_sums import policy_sums
from uplift.spark.ranked_sums import ranked_sums
from uplift.spark.scoring import add_appraisal, add_expected_outcomes

# With blanks, which the name of a feature cannot have.
NET_VALUE = "net value"
_FEATURES = "all features"


def held_out_sums(
    held_out: DataFrame,
    models: Mapping[str, UpliftModel],
    *,
    ranked: str,
    arms: Arms,
    value: ValueRule,
    how: Evaluation,
) -> tuple[tuple[RankedSums, ...], PolicySums]:
    """All sums that a judgement of models rests on, with the same replicates.

    Args:
        held_out: Rows of ``training_set`` that none of the models has learned from.
        models: By the name of their policy.
        ranked: The model whose ranking is judged.
        arms: Of the campaign, and of every model.
        value: What outcomes are worth and coupons cost.
        how: Replicates, blocks and seed.

    Returns:
        The ranking of each treatment by its cate, on conversion; the policies, on net value in
        euro, in the order of ``models``.
    """
    rows = held_out_rows(held_out, models, value=value).persist()
    try:
        rankings = ranked_sums(
            rows,
            [column(cate_of(ranked))[number] for number in range(arms.n_treatments)],
            outcome=columns.CONVERSION,
            n_arms=len(arms.names),
            replicates=how.replicates,
            seed=how.seed,
            max_blocks=how.blocks,
        )
        policies = policy_sums(
            rows,
            tuple(models),
            outcome=NET_VALUE,
            arms=arms,
            replicates=how.replicates,
            seed=how.seed,
        )
    finally:
        rows.unpersist()
    return rankings, policies


def held_out_rows(
    held_out: DataFrame, models: Mapping[str, UpliftModel], *, value: ValueRule
) -> DataFrame:
    """Held-out rows with what a metric and a policy value need; arguments of ``held_out_sums``.

    Returns:
        experiment_id, arm, propensity, cluster_id, conversion; ``net value``, the euro that the
        row brought in; and for each model, ``<name>``, the arm that it decides on when money is
        free, and ``<name> cate``.
    """
    names = sorted({name for model in models.values() for name in model.encoder.names})
    frame = held_out.select(
        columns.EXPERIMENT_ID,
        columns.ARM,
        columns.PROPENSITY,
        columns.CLUSTER_ID,
        columns.CONVERSION,
        net_value(value).alias(NET_VALUE),
        F.struct(*map(column, names)).alias(_FEATURES),
    )
    for name, model in models.items():
        frame = _add_policy(frame, name, model, value)
    return frame.withColumnsRenamed({_arm(name): name for name in models}).drop(_FEATURES)


def cate_of(policy: str) -> str:
    """The column with the effects that a model expects."""
    return f"{policy} cate"


def net_value(value: ValueRule) -> Column:
    """Margin that a unit brought in, less what its arm cost, in euro: what really happened."""
    conversion = F.col(columns.CONVERSION)
    if value.basis == "revenue":
        margin = F.lit(value.margin_rate) * F.col(columns.REVENUE)
    else:
        margin = F.lit(value.margin_per_conversion_eur) * conversion
    cost = _of_arm(value.contact_cost_eur) + _of_arm(value.redemption_cost_eur) * conversion
    return margin - cost


def _of_arm(prices: Sequence[float]) -> Column:
    """The price of the arm drawn; control costs nothing."""
    return F.array(*map(F.lit, (0.0, *prices)))[F.col(columns.ARM)]


def _add_policy(frame: DataFrame, name: str, model: UpliftModel, value: ValueRule) -> DataFrame:
    features = [F.col(_FEATURES)[feature].alias(feature) for feature in model.encoder.names]
    expected = add_expected_outcomes(frame.select("*", *features), model)
    # Nobody asks for segments here, so their limits do not matter.
    appraised = add_appraisal(expected, value=value, sure_thing_conversion=1.0, harm_tolerance=1.0)
    return appraised.select(
        *map(column, frame.columns),
        F.col(columns.BEST_ARM).alias(_arm(name)),
        F.col(columns.CATE).alias(cate_of(name)),
    )


def _arm(policy: str) -> str:
    return f"{policy} arm"
