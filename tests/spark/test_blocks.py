import pyarrow as pa
import pytest
from pyspark import TaskContext
from pyspark.sql import functions as F

from uplift.spark import blocks
from uplift.spark.blocks import bucket_of, buckets_of, exchanged, in_large_pieces, packed

pytestmark = pytest.mark.spark

SEEN = "task int, bucket int, tag int, key string, value string"


def see(batches):
    """The rows, each with the task, the bucket's place in it, and the tag."""
    task = TaskContext.get().partitionId()
    for number, bucket in enumerate(buckets_of(batches)):
        for tag, rows in bucket:
            same = [pa.array([x] * rows.num_rows, pa.int32()) for x in (task, number, tag)]
            yield pa.RecordBatch.from_arrays(
                [*same, *rows.columns], names=["task", "bucket", "tag", "key", "value"]
            )


def test_all_rows_arrive_once_each_key_in_one_bucket_and_lower_tags_first(spark):
    left = [(f"k{i % 40}", f"left {i}") for i in range(120)]
    right = [(f"k{i % 50}", f"right {i}") for i in range(200)]
    bucket = bucket_of(F.col("`some.key`"), n_partitions=2)
    tables = [
        packed(spark.createDataFrame(rows, "`some.key` string, v string"), bucket, tag=tag)
        for tag, rows in ((1, right), (0, left))
    ]

    rows = exchanged(tables, n_partitions=2).mapInArrow(see, SEEN).collect()

    assert sorted((row["key"], row["value"]) for row in rows) == sorted(left + right)
    homes = {(row["key"], row["task"], row["bucket"]) for row in rows}
    assert len(homes) == len({row["key"] for row in rows})
    assert len({row["task"] for row in rows}) == 2
    tags = {}
    for row in rows:
        tags.setdefault((row["task"], row["bucket"]), []).append(row["tag"])
    assert all(seen == sorted(seen) for seen in tags.values())


def test_pieces_are_as_large_as_asked_for_and_never_empty():
    batches = [pa.RecordBatch.from_pydict({"x": list(range(n))}) for n in (0, 3, 4, 0, 9, 1, 0)]
    pieces = [table["x"].to_pylist() for table in in_large_pieces(iter(batches), 5)]
    assert [len(piece) for piece in pieces] == [7, 9, 1]
    assert [x for piece in pieces for x in piece] == [
        x for batch in batches for x in batch["x"].to_pylist()
    ]


def test_a_small_packing_size_changes_no_row(monkeypatch):
    batch = pa.RecordBatch.from_pydict({"0": list("abcde"), "bucket": pa.array([1, 0, 1, 0, 1])})
    packs = []
    for size in (1, 5):
        monkeypatch.setattr(blocks, "ROWS_PACKED_AT_ONCE", size)
        pack = blocks._pack(iter([batch.slice(0, 2), batch.slice(2)]), tag=0)
        rows = [row for packed_batch in pack for row in packed_batch.to_pylist()]
        packs.append(
            sorted(
                (row["bucket"], value)
                for row in rows
                for value in blocks._read(pa.scalar(row["block"])).column(0).to_pylist()
            )
        )
    assert packs[0] == packs[1] == [(0, "b"), (0, "d"), (1, "a"), (1, "c"), (1, "e")]
