"""How often a key may ask: a bucket that fills steadily and holds one second's worth."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class Rates:
    """A token bucket per key, in this process.

    Args:
        per_second: For keys without a limit of their own; None: none.
        clock: Seconds that only go on.
    """

    def __init__(
        self, per_second: float | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._clock = per_second, clock
        self._buckets: dict[str, _Bucket] = {}

    def wait(self, key_id: str, own_limit: float | None) -> float:
        """0 if the key may ask now, and one token is taken; else seconds until it may."""
        rate = self._per_second if own_limit is None else own_limit
        if rate is None:
            return 0.0
        now, most = self._clock(), max(1.0, rate)
        bucket = self._buckets.setdefault(key_id, _Bucket(most, now))
        bucket.tokens = min(most, bucket.tokens + (now - bucket.filled_at) * rate)
        bucket.filled_at = now
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
            return 0.0
        return (1.0 - bucket.tokens) / rate
