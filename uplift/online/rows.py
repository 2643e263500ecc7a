"""What every store keeps of a customer, made once from a batch of features."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from uplift import columns
from uplift.features.encoder import FeatureEncoder

FLOAT = np.dtype("<f8")

Row: TypeAlias = tuple[str, bool, bytes]
"""Unit, whether anything may be sent, encoded features as little-endian doubles."""


def encoded_rows(batch: pa.RecordBatch, encoder: FeatureEncoder) -> Iterator[Row]:
    """The rows of a batch with ``unit_id``, ``contactable`` and the encoder's columns."""
    features = encoder.encode(batch).astype(FLOAT, copy=False)
    unit_ids = batch.column(columns.UNIT_ID).to_pylist()
    # Permission that is not known is no permission.
    contactable = pc.fill_null(batch.column(columns.CONTACTABLE), False).to_pylist()
    blobs = (row.tobytes() for row in features)
    return zip(unit_ids, contactable, blobs, strict=True)
