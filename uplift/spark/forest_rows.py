"""The log of a forest where it lies: surveyed, cut into bins, coded into blocks by shard.

Nothing here collects rows: to the driver come counts, extremes, and the edges of bins.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uplift.columns import ARM, CLUSTER_ID, PROPENSITY
from uplift.features.encoder import FeatureEncoder
from uplift.forest.bins import Bins, quantile_edges
from uplift.forest.log import CodedLog, ForestRows
from uplift.forest.moments import Extent
from uplift.forest.plan import FINE, QUANTILE_ROWS, LogPlan, means_of_chances
from uplift.forest.sampling import shards_of, sparse_limit
from uplift.spark.blocks import in_large_pieces
from uplift.spark.contracts import column
from uplift.spark.evaluation_rows import OUTCOME, evaluation_rows, survey
from uplift.spark.hashing import hash_key_bytes

BLOCKS = "shard int, codes binary, levels binary, arm binary, amounts binary, keys binary"

_KEY = "key"
_DESIGN = (ARM, PROPENSITY, OUTCOME, _KEY)
_ROWS_CODED_AT_ONCE = 250_000


@dataclass(frozen=True)
class Surveyed:
    """What one look at all rows tells.

    Attributes:
        extent: From which the rounding follows.
        mean_propensity: By arm, shape (K + 1,); None where no arm's chance varies.
    """

    extent: Extent
    mean_propensity: npt.NDArray[np.float64] | None


def survey_log(frame: DataFrame, outcome: str, *, n_arms: int) -> Surveyed:
    """Check arm, propensity, outcome and randomisation unit of every row, and measure them.

    Raises:
        ContractError: A column is missing, or a value is missing or out of its range.
        ExperimentError: An arm has no row.
    """
    rows = evaluation_rows(frame, outcome, {})
    found = survey(rows, n_arms=n_arms)
    chance = F.col(PROPENSITY)
    by_arm = (
        rows.groupBy(ARM)
        .agg(
            F.count(F.lit(1)),
            F.min(chance),
            F.max(chance),
            F.sum(F.rint(chance * FINE).cast("bigint")),
            F.max(F.abs(F.col(OUTCOME))),
        )
        .orderBy(ARM)
        .collect()
    )
    _, n_rows, lowest, highest, total, largest = (np.array(c) for c in zip(*by_arm, strict=True))
    mean = means_of_chances(n_rows, lowest, highest, total)
    extent = Extent(
        n_rows=found.n_rows,
        largest_weight=1.0 if mean is None else float((mean / lowest).max()),
        largest_outcome=float(largest.max()),
        is_binary=found.outcome_is_binary,
        is_weighted=mean is not None,
    )
    return Surveyed(extent, mean)


def design_and_features(frame: DataFrame, encoder: FeatureEncoder, outcome: str) -> DataFrame:
    """Arm, propensity, outcome, key, and the features in the encoder's order, by number.

    By number, because mapInArrow takes a dot in a name for a field of a struct.
    """
    return frame.select(
        F.col(ARM).cast("int"),
        F.col(PROPENSITY).cast("double"),
        column(outcome).cast("double").alias(OUTCOME),
        hash_key_bytes(F.col(CLUSTER_ID).cast("string")).alias(_KEY),
        *(column(name).alias(str(number)) for number, name in enumerate(encoder.names)),
    )


def cut_features(rows: DataFrame, encoder: FeatureEncoder, *, n_rows: int, max_bins: int) -> Bins:
    """The bins that ``uplift.forest.bins.fit_bins`` finds, to the last bit.

    Of a large log the quantiles are those of about 200,000 rows, taken by the hash of their unit;
    each feature's values meet in one task, and only edges come back. Categories are the encoder's.

    Args:
        rows: Of ``design_and_features``.
        encoder: What made them numbers.
        n_rows: How many rows there are.
        max_bins: Most bins of a number.
    """
    if n_rows > QUANTILE_ROWS:
        limit = sparse_limit(QUANTILE_ROWS / n_rows).to_bytes(8, "big")
        rows = rows.where(F.col(_KEY) < F.lit(bytearray(limit)))
    names = encoder.names
    numeric = sorted(set(range(len(names))) - set(encoder.categorical_indices))

    def values(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            matrix = encoder.encode(batch.rename_columns([*_DESIGN, *names]))
            found = [np.ascontiguousarray(matrix[:, place]).tobytes() for place in numeric]
            yield pa.RecordBatch.from_arrays(
                [pa.array(numeric, pa.int32()), pa.array(found, pa.binary())],
                names=["feature", "numbers"],
            )

    def edges_of(parts: pa.Table) -> pa.Table:
        drawn = np.frombuffer(b"".join(parts["numbers"].to_pylist()))
        edges = quantile_edges(drawn, max_bins=max_bins)
        return pa.table(
            {"feature": parts["feature"][:1], "numbers": pa.array([edges.tobytes()], pa.binary())}
        )

    schema = "feature int, numbers binary"
    cut = rows.mapInArrow(values, schema).groupBy("feature").applyInArrow(edges_of, schema)
    edges = {row["feature"]: np.frombuffer(row["numbers"]).copy() for row in cut.collect()}
    return Bins(
        edges=tuple(edges.get(place, np.empty(0)) for place in range(len(names))),
        n_levels=tuple(
            max(len(encoder.categories[name]), 1) if name in encoder.categories else 0
            for name in names
        ),
    )


def coded_blocks(
    rows: DataFrame, encoder: FeatureEncoder, plan: LogPlan, *, seed: int, n_shards: int
) -> DataFrame:
    """The coded rows, packed by shard: a few large values instead of millions of rows.

    Args:
        rows: Of ``design_and_features``.
        encoder: What makes them numbers.
        plan: How they are coded.
        seed: Of the forest.
        n_shards: Into how many shards the log is cut.
    """
    shared = rows.sparkSession.sparkContext.broadcast((encoder, plan))

    def code(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        encoder, plan = shared.value
        for piece in in_large_pieces(batches, _ROWS_CODED_AT_ONCE):
            table = piece.rename_columns([*_DESIGN, *encoder.names])
            log = plan.code(
                ForestRows(
                    features=encoder.encode(table),
                    arm=table[ARM].to_numpy(),
                    outcome=table[OUTCOME].to_numpy(),
                    propensity=table[PROPENSITY].to_numpy(),
                    keys=_keys(table[_KEY]),
                )
            )
            yield _packed(log, shards_of(log.keys, seed, n_shards))

    return rows.mapInArrow(code, BLOCKS)


def _keys(column: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    fixed = column.combine_chunks().cast(pa.binary(8))
    keys = np.frombuffer(fixed.buffers()[1], dtype=">u8")
    return keys[fixed.offset : fixed.offset + len(fixed)].astype(np.uint64)


def _packed(log: CodedLog, shards: npt.NDArray[np.int32]) -> pa.RecordBatch:
    order = np.argsort(shards, kind="stable")
    numbers, starts = np.unique(shards[order], return_index=True)
    arrays: list[npt.NDArray[Any]] = [log.codes, log.levels, log.arm, log.values, log.keys]
    columns = [
        pa.array([rows.tobytes() for rows in np.split(array[order], starts[1:])], pa.binary())
        for array in arrays
    ]
    names = [field.split()[0] for field in BLOCKS.split(", ")]
    return pa.RecordBatch.from_arrays([pa.array(numbers, pa.int32()), *columns], names=names)


def read_blocks(batches: Iterable[pa.RecordBatch], plan: LogPlan) -> CodedLog:
    """The rows of some blocks, one after another."""
    held = list(batches)

    def together(name: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
        blocks = [block for batch in held for block in batch.column(name).to_pylist()]
        return np.frombuffer(bytearray(b"".join(blocks)), dtype)

    arm = together("arm", np.uint8)
    return CodedLog(
        bins=plan.bins,
        layout=plan.layout,
        codes=together("codes", np.uint8).reshape(len(arm), plan.bins.n_features),
        levels=together("levels", np.uint16).reshape(len(arm), len(plan.bins.categorical)),
        arm=arm,
        values=together("amounts", np.int64).reshape(len(arm), plan.layout.width),
        keys=together("keys", np.uint64),
        n_arms=plan.n_arms,
    )
