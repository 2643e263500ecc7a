"""The standard error of ``uplift.evaluation.jackknife`` for the rows of a table."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift.columns import ARM, CLUSTER_ID, PROPENSITY
from uplift.evaluation.jackknife import Influence
from uplift.evaluation.uncertainty import Estimate, from_standard_error
from uplift.spark.evaluation_rows import OUTCOME, evaluation_rows
from uplift.spark.partial_sums import floats, integers

_PRIORITY = "priority"


def jackknife(
    frame: DataFrame, influence: Influence, priority: Column, *, outcome: str, level: float
) -> Estimate:
    """A metric with its standard error in closed form, by ``cluster_id``, and a normal interval.

    One pass over the rows, and one exchange of clusters.

    Args:
        frame: The table of which the ranked sums were made.
        influence: Of a metric on those sums.
        priority: What they were ranked by.
        outcome: Name of the outcome's column.
        level: Of the interval.
    """
    rows = evaluation_rows(frame, outcome, {_PRIORITY: priority.cast("double")})

    def moved(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            of_rows = influence.of(
                floats(batch, _PRIORITY),
                integers(batch, ARM),
                floats(batch, OUTCOME),
                1.0 / floats(batch, PROPENSITY),
            )
            yield pa.RecordBatch.from_arrays(
                [batch.column(CLUSTER_ID), pa.array(of_rows)], names=["unit", "moved"]
            )

    units = (
        rows.mapInArrow(moved, "unit string, moved double")
        .groupBy("unit")
        .agg(F.sum("moved").alias("moved"))
    )
    squares = units.agg(F.sum(F.col("moved") * F.col("moved"))).collect()[0][0]
    return from_standard_error(influence.value, float(squares) ** 0.5, level=level)
