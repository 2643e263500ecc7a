"""Customers for stores: an age and a city each."""

from collections.abc import Sequence

import pyarrow as pa

from uplift.features.encoder import FeatureEncoder, fit_encoder
from uplift.features.spec import FeatureColumn

Customer = tuple[str, bool | None, float | None, str | None]  # unit_id, contactable, age, city
CUSTOMERS: tuple[Customer, ...] = (
    ("ann", True, 31.0, "Ulm"),
    ("bob", False, None, "Bonn"),
    ("Zoë O'Neil; --", True, 44.0, None),
    ("007", True, 0.1, "Atlantis"),
)


def encoder() -> FeatureEncoder:
    """Age is a number, city one of two; Bonn is 0 and Ulm is 1."""
    return fit_encoder(
        [FeatureColumn("age", "numeric"), FeatureColumn("city", "categorical")],
        {"city": ["Ulm", "Bonn"]},
    )


def batches(customers: Sequence[Customer], rows_per_batch: int = 2) -> list[pa.RecordBatch]:
    """The customers as a job reads them."""
    unit_id, contactable, age, city = zip(*customers, strict=True)
    table = pa.table(
        {
            "unit_id": pa.array(unit_id, pa.string()),
            "contactable": pa.array(contactable, pa.bool_()),
            "age": pa.array(age, pa.float64()),
            "city": pa.array(city, pa.string()),
        }
    )
    return list(table.to_batches(max_chunksize=rows_per_batch))
