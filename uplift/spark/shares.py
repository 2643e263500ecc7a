"""A task's share of the training rows, as learners want them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from uplift import columns
from uplift.errors import ExperimentError
from uplift.features.encoder import FeatureEncoder
from uplift.learners.data import TrainingData
from uplift.learners.peers import Peers
from uplift.spark.arrow import to_matrix

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Share:
    """Rows in the order they came in; fields as in ``uplift.spark.training_rows.TrainingRows``."""

    features: Floats
    arm: npt.NDArray[np.int64]
    propensity: Floats
    cluster: npt.NDArray[np.object_]
    propensities: Floats | None
    outcomes: Mapping[str, Floats]

    def training_data(self, outcome: str, peers: Peers) -> TrainingData:
        """The rows with one of their outcomes, and who has the others."""
        return TrainingData(
            self.features,
            self.arm,
            self.outcomes[outcome],
            self.propensity,
            cluster=self.cluster,
            propensities=self.propensities,
            peers=peers,
        )


def read_share(
    batches: Iterator[pa.RecordBatch],
    names: Sequence[str],
    encoder: FeatureEncoder,
    outcomes: Sequence[str],
) -> Share:
    """Read all batches; at no time is more than the share and a batch in memory.

    Args:
        batches: Columns ``names``: of the design, features and outcomes.
        names: The batches' columns have numbers.
        encoder: Makes the features.
        outcomes: Columns to learn.

    Raises:
        ExperimentError: There are no rows.
        ContractError: A feature is not what the encoder takes.
    """
    matrices = []
    others = []
    kept = [name for name in names if name not in set(encoder.names)]
    for numbered in batches:
        batch = numbered.rename_columns(list(names))
        if batch.num_rows:
            matrices.append(encoder.encode(batch))
            others.append(batch.select(kept))
    if not others:
        raise ExperimentError(
            "a task got no row at all to learn from. Take fewer `training.workers`."
        )
    table = pa.Table.from_batches(others).combine_chunks()
    n_arms = _width(table)
    return Share(
        features=_stacked(matrices, table.num_rows),
        arm=table[columns.ARM].to_numpy().astype(np.int64),
        propensity=table[columns.PROPENSITY].to_numpy(),
        cluster=_texts(table[columns.CLUSTER_ID]),
        propensities=_chances(table, n_arms) if n_arms else None,
        outcomes={name: table[name].to_numpy().astype(np.float64) for name in outcomes},
    )


def _stacked(matrices: list[Floats], n_rows: int) -> Floats:
    """All rows in one matrix; each part is given up as soon as it is copied."""
    stacked = np.empty((n_rows, matrices[0].shape[1]))
    end = n_rows
    while matrices:
        part = matrices.pop()
        stacked[end - len(part) : end] = part
        end -= len(part)
    return stacked


def _texts(texts: pa.ChunkedArray) -> npt.NDArray[np.object_]:
    """Texts in numpy's own form, which takes a fraction of the memory of Python's."""
    kept = np.array(texts.to_pylist(), dtype=np.dtypes.StringDType())
    return cast(npt.NDArray[np.object_], kept)


def _width(table: pa.Table) -> int:
    """How many arms the rows tell the chances of; 0: of the arm drawn alone."""
    if columns.PROPENSITIES not in table.column_names:
        return 0
    return len(table[columns.PROPENSITIES][0])


def _chances(table: pa.Table, n_arms: int) -> Floats:
    [chances] = table[columns.PROPENSITIES].chunks
    return to_matrix(chances, n_arms)
