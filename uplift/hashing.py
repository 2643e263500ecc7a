"""Sticky randomness: the same unit and salt give the same draw, on any machine, for ever.

SHA-256, because CRC is linear: two salts would give correlated draws.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

_TWO_53 = float(1 << 53)


def hash_key(unit: str, salt: str = "") -> int:
    """First 8 bytes, big-endian, of SHA-256 over ``salt``, one NUL byte and ``unit``."""
    digest = hashlib.sha256(f"{salt}\0{unit}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def hash_uniform(unit: str, salt: str = "") -> float:
    """A number in [0, 1) with 53 random bits.

    Examples:
        >>> hash_uniform("ann", "holdout") == hash_uniform("ann", "holdout")
        True
        >>> 0.0 <= hash_uniform("ann", "holdout") < 1.0
        True
    """
    return (hash_key(unit, salt) >> 11) / _TWO_53


def hash_keys(units: Iterable[str], salt: str = "") -> npt.NDArray[np.uint64]:
    """``hash_key`` of many units, shape (n,)."""
    return np.fromiter((hash_key(unit, salt) for unit in units), dtype=np.uint64)


def hash_uniforms(units: Iterable[str], salt: str = "") -> npt.NDArray[np.float64]:
    """``hash_uniform`` of many units, shape (n,)."""
    return (hash_keys(units, salt) >> np.uint64(11)).astype(np.float64) / _TWO_53
