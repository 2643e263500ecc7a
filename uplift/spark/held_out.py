"""What held-out rows tell about models: what each would have decided, and what happened instead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.arms import Arms
from uplift.config import Evaluation
from uplift.evaluation.policy_sums import PolicySums
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.resampling import Floats
from uplift.learners.model import UpliftModel
from uplift.policy import ValueRule
from uplift.spark.arrow import to_matrix
from uplift.spark.contracts import column
from uplift.spark.hashing import hash_uniform
from uplift.spark.policy_sums import policy_sums
from uplift.spark.ranked_sums import ranked_sums
from uplift.spark.scoring import add_appraisal, add_expected_outcomes

# With blanks, which the name of a feature cannot have.
NET_VALUE = "net value"
EXPECTED_VALUE = "expected value"
_FEATURES = "all features"
_BEFORE = "all before"
_RESPONSE, _HALVES = "response model", ("first half", "second half")
SAMPLE_ROWS = 20_000  # of predictions, for their spread and for the agreement of refits


@dataclass(frozen=True, eq=False)
class Sample:
    """What models predict for some held-out customers; all on the driver.

    Attributes:
        effects: Of the judged model, shape (n, K).
        expected: Its expected conversion in every arm, shape (n, K + 1).
        halves: Effects by its two refits, each of shape (n, K); null if there are none.
    """

    effects: Floats
    expected: Floats
    halves: tuple[Floats, Floats] | None


@dataclass(frozen=True, eq=False)
class HeldOut:
    """All that a judgement of models rests on, with the same replicates.

    Attributes:
        rankings: Of treatments 1..K by the judged model's cate, on conversion.
        by_response: One ranking for all treatments, by expected conversion whatever the arm; null
            without a response model.
        policies: On net value in euro, in the order of the models.
        sample: Of predictions.
    """

    rankings: tuple[RankedSums, ...]
    by_response: RankedSums | None
    policies: PolicySums
    sample: Sample


def held_out_sums(
    held_out: DataFrame,
    models: Mapping[str, UpliftModel],
    *,
    ranked: str,
    response: UpliftModel | None = None,
    halves: tuple[UpliftModel, UpliftModel] | None = None,
    arms: Arms,
    value: ValueRule,
    how: Evaluation,
) -> HeldOut:
    """Sum held-out rows once for all questions.

    Args:
        held_out: Rows of ``training_set`` that none of the models has learned from.
        models: By the name of their policy.
        ranked: The model that is judged; its expectations also steady the doubly robust values.
        response: Predicts conversion whatever the arm, as a learner ``response`` does.
        halves: Two refits of the judged model on halves of its rows.
        arms: Of the campaign, and of every model.
        value: What outcomes are worth and coupons cost.
        how: Replicates, blocks and seed.
    """
    beside = {} if response is None else {_RESPONSE: response}
    if halves is not None:
        beside |= dict(zip(_HALVES, halves, strict=True))
    rows = held_out_rows(held_out, models, ranked=ranked, beside=beside, value=value).persist()
    try:
        priorities = [column(cate_of(ranked))[number] for number in range(arms.n_treatments)]
        if response is not None:
            priorities.append(column(cate_of(_RESPONSE))[0])
        rankings = ranked_sums(
            rows,
            priorities,
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
            expected=EXPECTED_VALUE,
            replicates=how.replicates,
            seed=how.seed,
        )
        sample = _sample(rows, cate_of(ranked), _HALVES if halves is not None else (), arms, how)
    finally:
        rows.unpersist()
    return HeldOut(
        rankings=rankings[: arms.n_treatments],
        by_response=None if response is None else rankings[-1],
        policies=policies,
        sample=sample,
    )


def _sample(
    rows: DataFrame, effects: str, halves: tuple[str, ...], arms: Arms, how: Evaluation
) -> Sample:
    """Whole randomisation units by hash, the same however the table is stored."""
    share = SAMPLE_ROWS / max(rows.count(), 1)
    some = rows.where(hash_uniform(F.col(columns.CLUSTER_ID), f"sample {how.seed}") < share)
    names = [effects, columns.EXPECTED_CONVERSION, *map(cate_of, halves)]
    table = (some if share < 1.0 else rows).select(*map(column, names)).toArrow().combine_chunks()
    widths = [arms.n_treatments, len(arms.names), *(arms.n_treatments for _ in halves)]
    found = [
        to_matrix(table.column(number).combine_chunks(), width)
        for number, width in enumerate(widths)
    ]
    return Sample(found[0], found[1], (found[2], found[3]) if halves else None)


def held_out_rows(
    held_out: DataFrame,
    models: Mapping[str, UpliftModel],
    *,
    ranked: str,
    beside: Mapping[str, UpliftModel],
    value: ValueRule,
) -> DataFrame:
    """Held-out rows with what a metric and a policy value need; arguments of ``held_out_sums``.

    Returns:
        experiment_id, arm, propensity, cluster_id, conversion; ``net value``, the euro that the
        row brought in; for each model, ``<name>``, the arm that it decides on when money is free;
        for each, and those beside, ``<name> cate``; of the judged one ``expected_conversion`` and
        ``expected value``, euro in arms 0..K.
    """
    everyone = [*models.values(), *beside.values()]
    names = sorted({name for model in everyone for name in model.encoder.names})
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
        frame = _add_policy(frame, name, model, value, is_judged=name == ranked)
    for name, model in beside.items():
        frame = _add_cate(frame, name, model)
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


def _add_policy(
    frame: DataFrame, name: str, model: UpliftModel, value: ValueRule, *, is_judged: bool
) -> DataFrame:
    expected = add_expected_outcomes(_with_features(frame, model), model)
    # Nobody asks for segments here, so their limits do not matter.
    appraised = add_appraisal(expected, value=value, sure_thing_conversion=1.0, harm_tolerance=1.0)
    further = []
    if is_judged:
        further = [F.col(columns.EXPECTED_CONVERSION), _expected_value(value).alias(EXPECTED_VALUE)]
    return appraised.select(
        *map(column, frame.columns),
        F.col(columns.BEST_ARM).alias(_arm(name)),
        F.col(columns.CATE).alias(cate_of(name)),
        *further,
    )


def _add_cate(frame: DataFrame, name: str, model: UpliftModel) -> DataFrame:
    """Of a model that decides nothing; what the judged model expects stands in its own columns."""
    before = F.struct(*map(column, frame.columns)).alias(_BEFORE)
    expected = add_expected_outcomes(
        _with_features(frame.select(before, column(_FEATURES)), model), model
    )
    conversion = F.col(columns.EXPECTED_CONVERSION)
    effects = F.transform(
        F.slice(conversion, 2, len(model.arms.treatments)), lambda e: e - conversion[0]
    )
    return expected.select(
        *(F.col(_BEFORE)[kept].alias(kept) for kept in frame.columns),
        effects.alias(cate_of(name)),
    )


def _with_features(frame: DataFrame, model: UpliftModel) -> DataFrame:
    features = [F.col(_FEATURES)[feature].alias(feature) for feature in model.encoder.names]
    return frame.select("*", *features)


def _expected_value(value: ValueRule) -> Column:
    """Euro that a unit is expected to bring in, by arm."""
    conversion = F.col(columns.EXPECTED_CONVERSION)
    if value.basis == "revenue":
        margin = F.lit(value.margin_rate) * F.col(columns.EXPECTED_REVENUE)[0]
    else:
        margin = F.lit(value.margin_per_conversion_eur) * conversion[0]
    added = F.zip_with(columns.GAIN, columns.COST, lambda gain, cost: margin + gain - cost)
    return F.concat(F.array(margin), added)


def _arm(policy: str) -> str:
    return f"{policy} arm"
