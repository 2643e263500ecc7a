"""Hand a table to a store of another kind, partition by partition."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uplift.errors import ContractError, UpliftError
from uplift.spark.contracts import column

Send: TypeAlias = Callable[[Iterator[pa.RecordBatch]], int]
"""Sends the batches of one partition and answers how many rows they had; it travels to the tasks.

Sending a partition twice must change nothing, for a task may be tried again."""


def send_partitions(frame: DataFrame, names: Sequence[str], send: Send) -> int:
    """Send these columns of every row, each partition from the task that holds it.

    Returns:
        The number of rows sent.

    Raises:
        ContractError: Some partition could not be sent; the first reason, as ``send`` gave it.
    """

    def send_one(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sent, trouble = 0, None
        try:
            sent = send(batch.rename_columns(list(names)) for batch in batches)
        except UpliftError as error:  # told as data: a task that raises hides its reason
            trouble = str(error)
        yield pa.RecordBatch.from_arrays(
            [pa.array([sent], pa.int64()), pa.array([trouble], pa.string())],
            names=["sent", "trouble"],
        )

    # by number, because mapInArrow takes a dot in a name for a field of a struct
    numbered = frame.select(*map(column, names)).toDF(*map(str, range(len(names))))
    found = (
        numbered.mapInArrow(send_one, "sent long, trouble string")
        .agg(F.sum("sent").alias("sent"), F.min("trouble").alias("trouble"))
        .collect()[0]
    )
    if found["trouble"] is not None:
        raise ContractError(str(found["trouble"]))
    return int(found["sent"] or 0)
