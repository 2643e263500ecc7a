"""Histograms of a table for ``uplift.policy.cuts``: rows stay where they are, cells come back."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uplift.policy.cuts import FillHistogram, Histogram, Integers, histogram, merge
from uplift.spark.arrow import Matrix

Weigh: TypeAlias = Callable[[pa.RecordBatch], tuple[Matrix, Integers]]
"""From a batch to values and their weights, each of shape (m,)."""

_CELL, _WEIGHT = "cell", "weight"


def fill_from(frame: DataFrame, weigh: Weigh) -> FillHistogram:
    """What ``crossing_cells`` asks for, one pass over ``frame`` per question.

    Weights are integers, so partitions and their order change nothing.
    """

    def fill(shift: int, within: Sequence[int] | None) -> Histogram:
        def add_up(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                found = histogram(*weigh(batch), shift, within)
                yield pa.RecordBatch.from_arrays(
                    [pa.array(found.cell), pa.array(found.weight)], names=[_CELL, _WEIGHT]
                )

        cells = (
            frame.mapInArrow(add_up, f"{_CELL} long, {_WEIGHT} long")
            .groupBy(_CELL)
            .agg(F.sum(_WEIGHT).alias(_WEIGHT))
            .toArrow()
        )
        return merge(cells[_CELL].to_numpy(), cells[_WEIGHT].to_numpy())

    return fill
