"""Score everybody: what to expect in every arm, what a coupon is worth, who stands where."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from uplift import columns
from uplift.errors import ContractError
from uplift.learners.model import UpliftModel
from uplift.policy import ValueRule, appraise, gain_and_cost
from uplift.policy.cuts import FINE_SHIFT, Integers, crossing_cells, lower_edge
from uplift.policy.evidence import EffectIntervals
from uplift.spark.arrow import Matrix, to_lists, to_matrix
from uplift.spark.cells import fill_from
from uplift.spark.contracts import column

_EXPECTED = {
    columns.CONVERSION: columns.EXPECTED_CONVERSION,
    columns.REVENUE: columns.EXPECTED_REVENUE,
}
_PER_ARM = T.ArrayType(T.DoubleType(), containsNull=False)
_APPRAISED = T.StructType(
    [
        T.StructField(columns.CATE, _PER_ARM),
        T.StructField(columns.GAIN, _PER_ARM),
        T.StructField(columns.COST, _PER_ARM),
        T.StructField(columns.BEST_ARM, T.IntegerType()),
        T.StructField(columns.PRIORITY, T.DoubleType()),
        T.StructField(columns.SEGMENT, T.StringType()),
        T.StructField(columns.EVIDENCE, T.StringType()),
        T.StructField(columns.ARM_EVIDENCE, T.ArrayType(T.StringType(), containsNull=False)),
        T.StructField(columns.PERSUADABLE_LOW, T.DoubleType()),
        T.StructField(columns.PERSUADABLE_HIGH, T.DoubleType()),
    ]
)
_N_DECILES = 10
_GRID = 1 << 30  # chances are averaged in whole multiples of 2^-30: a sum that knows no order


@contextmanager
def score_customers(
    features: DataFrame,
    model: UpliftModel,
    *,
    value: ValueRule,
    sure_thing_conversion: float | None,
    harm_tolerance: float,
    intervals: EffectIntervals | None = None,
    group: str | None = None,
) -> Iterator[DataFrame]:
    """Open the table ``customer_scores``; what was computed on the way is kept until it closes.

    Partitions and the order of the rows change nothing. ``expected_revenue`` is there only if the
    model knows revenue.

    Args:
        features: ``unit_id``, ``as_of``, ``contactable`` and the features of the model.
        model: Is broadcast; every task encodes and scores its own rows, all arms in one pass.
        value: What effects are worth and coupons cost.
        sure_thing_conversion: As in ``assign_segments``; None: the average chance without coupon.
        harm_tolerance: As in ``assign_segments``.
        intervals: How sure the model's effects are; None: all evidence is weak.
        group: Attribute to keep as ``group``, for limits by group.
    """
    _fail_early(model, value)
    if group is not None and group not in features.columns:
        raise ContractError(
            f"the customers have no attribute {group!r} to group them by; they have "
            f"{sorted(features.columns)}. Correct `policy.groups.attribute`, or add it to "
            "`features.static`."
        )
    known = features.select(
        columns.UNIT_ID,
        columns.AS_OF,
        F.lit(model.version).alias(columns.MODEL_VERSION),
        columns.CONTACTABLE,
        *([] if group is None else [column(group).cast("string").alias(columns.GROUP)]),
        *map(column, model.encoder.names),
    )
    with kept(add_expected_outcomes(known, model)) as expected:
        if sure_thing_conversion is None:
            sure_thing_conversion = average_control_conversion(expected)
        appraised = add_appraisal(
            expected,
            value=value,
            sure_thing_conversion=sure_thing_conversion,
            harm_tolerance=harm_tolerance,
            intervals=intervals,
        )
        with kept(appraised) as scores:
            yield add_decile(scores)


def add_expected_outcomes(frame: DataFrame, model: UpliftModel) -> DataFrame:
    """Replace the model's features by the expected outcomes in arms 0..K; other columns stay.

    Raises:
        ContractError: Features are missing, or of a kind that the model was not trained on.
    """
    model.encoder.encode(frame.limit(0).toArrow())  # raises here, not in a task
    names = frame.columns
    kept = [field for field in frame.schema if field.name not in set(model.encoder.names)]
    added = [T.StructField(_EXPECTED[outcome], _PER_ARM) for outcome in model.outcomes]
    shared = frame.sparkSession.sparkContext.broadcast(model)

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for numbered in batches:
            batch = numbered.rename_columns(names)
            matrix = shared.value.encoder.encode(batch)
            arrays = [batch.column(field.name) for field in kept]
            for outcome in shared.value.outcomes:
                arrays.append(to_lists(shared.value.expected_outcome(matrix, outcome)))
            yield pa.RecordBatch.from_arrays(arrays, names=[f.name for f in [*kept, *added]])

    # by number, because mapInArrow takes a dot in a name for a field of a struct
    numbered = frame.toDF(*map(str, range(len(names))))
    return numbered.mapInArrow(score, T.StructType([*kept, *added]))


def average_control_conversion(expected: DataFrame) -> float:
    """Average chance of converting without coupon, the same however the rows are partitioned.

    Raises:
        ContractError: There is nobody.
    """
    control = F.element_at(columns.EXPECTED_CONVERSION, 1)
    total, n = expected.select(F.sum(F.floor(control * _GRID)), F.count("*")).collect()[0]
    if not n:
        raise ContractError(
            "the table of customers to score has 0 rows. Check `inputs` and `run_date`, and run "
            "jobs/build_customer_features again."
        )
    return float(total // n / _GRID)


def add_appraisal(
    expected: DataFrame,
    *,
    value: ValueRule,
    sure_thing_conversion: float,
    harm_tolerance: float,
    intervals: EffectIntervals | None = None,
) -> DataFrame:
    """Add effects, gain and cost of every treatment, best arm, priority, segment, evidence."""
    names = [*expected.columns, *_APPRAISED.names]
    n_arms = value.n_treatments + 1

    def price(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            conversion = to_matrix(batch.column(columns.EXPECTED_CONVERSION), n_arms)
            appraisal = appraise(
                conversion,
                expected_revenue(batch, n_arms),
                value=value,
                sure_thing_conversion=sure_thing_conversion,
                harm_tolerance=harm_tolerance,
                intervals=intervals,
            )
            added = [
                to_lists(conversion[:, 1:] - conversion[:, :1]),
                to_lists(appraisal.gain),
                to_lists(appraisal.cost),
                pa.array(appraisal.best_arm.astype(np.int32)),
                pa.array(appraisal.priority),
                pa.array(appraisal.segment),
                pa.array(appraisal.evidence),
                pa.array(appraisal.arm_evidence.tolist(), pa.list_(pa.string())),
                pa.array(appraisal.persuadable_low),
                pa.array(appraisal.persuadable_high),
            ]
            yield pa.RecordBatch.from_arrays([*batch.columns, *added], names=names)

    return expected.mapInArrow(price, T.StructType([*expected.schema, *_APPRAISED]))


def expected_revenue(batch: pa.RecordBatch, n_arms: int) -> Matrix | None:
    """Expected revenue by arm, shape (n, n_arms), where the batch has it."""
    if columns.EXPECTED_REVENUE not in batch.schema.names:
        return None
    return to_matrix(batch.column(columns.EXPECTED_REVENUE), n_arms)


def add_decile(scores: DataFrame) -> DataFrame:
    """Add ``decile``: 1 + the share of customers with a higher priority, in whole tenths.

    Equal priorities share a decile, so tenths are of equal size only as far as ties allow.
    """
    n = scores.count()
    limits = [math.ceil(n * tenth / _N_DECILES) - 1 for tenth in range(1, _N_DECILES)]
    found = crossing_cells(fill_from(scores.select(columns.PRIORITY), _count_each), limits)
    edges = [lower_edge(cell, FINE_SHIFT) for cell in found if cell is not None]
    tenths_above = [(F.col(columns.PRIORITY) < edge).cast("int") for edge in edges]
    return scores.withColumn(columns.DECILE, sum(tenths_above, F.lit(1)))


def _count_each(batch: pa.RecordBatch) -> tuple[Matrix, Integers]:
    priority = batch.column(columns.PRIORITY).to_numpy()
    return priority, np.ones(len(priority), dtype=np.int64)


def _fail_early(model: UpliftModel, value: ValueRule) -> None:
    """Price an imagined customer, so that a mismatch is one clear error and no failed task."""
    nobody: npt.NDArray[np.float64] = np.zeros((1, len(model.arms.names)))
    gain_and_cost(nobody, nobody if columns.REVENUE in model.outcomes else None, value=value)


@contextmanager
def kept(frame: DataFrame) -> Iterator[DataFrame]:
    """Keep what a frame holds until the context closes."""
    persisted = frame.persist()
    try:
        yield persisted
    finally:
        persisted.unpersist()
