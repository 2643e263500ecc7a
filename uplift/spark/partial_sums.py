"""Add arrays up across the cluster: partitions send sums, never rows."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uplift.hashing import hash_keys
from uplift.spark.blocks import in_large_pieces

Floats = npt.NDArray[np.float64]

_SCHEMA = "part int, sums binary"
_ROWS_AT_ONCE = 200_000  # sums are as large whatever is added up, so it should be worth it


def add_up(frame: DataFrame, parts_of: Callable[[pa.RecordBatch], list[Floats]]) -> list[Floats]:
    """Sum what ``parts_of`` makes of each batch of rows: the same number of flat arrays each time.

    The parts are added up on the executors, so the driver receives each once, however many
    partitions there are. If the values lie on an ``exact_grid``, partitions change no bit.
    """

    def partition_sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        totals: list[Floats] = []
        for table in in_large_pieces(batches, _ROWS_AT_ONCE):
            [batch] = table.combine_chunks().to_batches()
            parts = parts_of(batch)
            totals = (
                [np.add(a, b, out=a) for a, b in zip(totals, parts, strict=True)]
                if totals
                else parts
            )
        if totals:
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array(range(len(totals)), pa.int32()),
                    pa.array([part.tobytes() for part in totals], pa.binary()),
                ],
                names=["part", "sums"],
            )

    def sum_of_part(partials: pa.Table) -> pa.Table:
        total = np.sum([np.frombuffer(sums.as_py()) for sums in partials["sums"]], axis=0)
        return pa.table(
            {"part": partials["part"][:1], "sums": pa.array([total.tobytes()], pa.binary())}
        )

    summed = (
        frame.mapInArrow(partition_sums, _SCHEMA)
        .groupBy("part")
        .applyInArrow(sum_of_part, _SCHEMA)
        .orderBy(F.col("part"))
    )
    return [np.frombuffer(row["sums"]) for row in summed.collect()]


def floats(batch: pa.RecordBatch, name: str) -> Floats:
    """A column of doubles."""
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), dtype=np.float64)


def integers(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.int64]:
    """A column of integers."""
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), dtype=np.int64)


def keys(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.uint64]:
    """The hashed keys of a column of identifiers."""
    return hash_keys(batch.column(name).to_pylist())
