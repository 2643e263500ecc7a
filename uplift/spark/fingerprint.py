"""A fingerprint of a table: equal for equal rows, whatever their order, files or partitions."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


@dataclass(frozen=True)
class Fingerprint:
    """What a table held.

    Attributes:
        digest: 32 hex digits over schema, number of rows and sum of row hashes.
        n_rows: Number of rows.
        schema: Spark type of every column.
    """

    digest: str
    n_rows: int
    schema: Mapping[str, str]


def fingerprint(frame: DataFrame) -> Fingerprint:
    """Digest the rows as a bag: order does not count, repetition does, nor does column order.

    A row is hashed to 64 bits and the hashes are added up, so a change by accident is found and
    one by design is not: this tells tables apart, it does not protect them.
    """
    schema = dict(sorted(frame.dtypes))
    found = frame.agg(
        F.count(F.lit(1)).alias("rows"), F.sum(_row_hash(list(schema))).alias("hashes")
    ).first()
    n_rows, hashes = (found["rows"], int(found["hashes"] or 0)) if found else (0, 0)
    text = json.dumps([schema, n_rows, hashes])
    return Fingerprint(hashlib.sha256(text.encode()).hexdigest()[:32], n_rows, schema)


def _row_hash(names: list[str]) -> Column:
    """A hash of one row; Spark's hash skips nulls, so which columns are null is hashed too."""
    values = [F.col(f"`{name}`") for name in names]
    # A sum of 64-bit integers would overflow; 38 digits hold the hashes of 10**19 rows.
    return F.xxhash64(*values, *(value.isNull() for value in values)).cast("decimal(38,0)")
