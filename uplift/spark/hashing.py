"""The draws of ``uplift.hashing``, computed by Spark."""

from pyspark.sql import Column
from pyspark.sql import functions as F

_TWO_53 = float(1 << 53)


def hash_uniform(unit: Column, salt: str) -> Column:
    """What ``uplift.hashing.hash_uniform`` answers: a number in [0, 1), null for null.

    The top 53 bits of SHA-256 over salt, NUL and unit: 14 hex digits are 56 bits, less three.
    """
    digest = F.sha2(F.concat(F.lit(f"{salt}\0"), unit), 256)
    top_56_bits = F.conv(F.substring(digest, 1, 14), 16, 10).cast("bigint")
    return F.shiftright(top_56_bits, 3).cast("double") / _TWO_53


def hash_key_bytes(unit: Column) -> Column:
    """What ``uplift.hashing.hash_key`` answers without salt: 8 bytes, big-endian, null for null.

    Bytes, because 64 unsigned bits fit no number of SQL; they compare as the numbers do.
    """
    digest = F.sha2(F.concat(F.lit("\0"), unit), 256)
    return F.unhex(F.substring(digest, 1, 16))
