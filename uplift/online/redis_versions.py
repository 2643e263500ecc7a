"""Versions of the customers in Redis, one per published run: begun, filled, counted, swapped in.

    uplift:<campaign>:versions         hash: run_id -> its Version as JSON
    uplift:<campaign>:current          run_id of the version that was loaded and counted last
    uplift:<campaign>:<run_id>:<b>     hash: unit_id -> contactable and features of bucket b

Customers stand in buckets, so a version expires by a few thousand keys, not by millions, and two
versions share none. A version is entered before its first row: what a killed loader leaves is known
by name, and the next load deletes it.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import pyarrow as pa

from uplift.errors import ContractError
from uplift.features.encoder import FeatureEncoder
from uplift.online.redis_client import answering, connect
from uplift.online.rows import Row, encoded_rows

if TYPE_CHECKING:
    from redis import Redis

_Field: TypeAlias = bytes | bytearray | memoryview | str | int | float  # as redis types it

_ROWS_PER_BUCKET = 256  # so many customers share a key
_ROWS_AT_ONCE = 20_000  # per pipeline: bounds the memory of both sides
_COMMANDS_AT_ONCE = 2_000
_WAY_OUT = "Load it again with jobs.load_online_store."


@dataclass(frozen=True)
class Version:
    """A version in Redis.

    Attributes:
        features: Names, in the order of the arrays.
        buckets: Keys that its customers are spread over.
        customers: How many there must be.
        state: ``loading`` until all were counted.
    """

    features: tuple[str, ...]
    buckets: int
    customers: int
    state: Literal["loading", "ready"]

    def to_text(self) -> str:
        """As it stands in Redis."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str | bytes) -> "Version":
        """The inverse of ``to_text``."""
        document = json.loads(text)
        return cls(**{**document, "features": tuple(document["features"])})


class RedisVersions:
    """The versions of one campaign: begin, fill from many processes, count, swap."""

    def __init__(self, client: "Redis", campaign_id: str) -> None:
        self._client = client
        self._prefix = f"uplift:{campaign_id}"

    def begin(self, run_id: str, *, features: tuple[str, ...], customers: int) -> Version:
        """Enter a version that is about to be loaded, over whatever is left of it."""
        buckets = max(1, -(-customers // _ROWS_PER_BUCKET))
        known = self.known().get(run_id)
        if known is not None:
            self._delete(run_id, known)
        version = Version(features, buckets, customers, "loading")
        self._client.hset(self._versions, run_id, version.to_text())
        return version

    def fill(self, run_id: str, version: Version, rows: Iterable[Row]) -> int:
        """Load customers, in pipelines; in any order, from any number of processes.

        Loading a customer twice changes nothing, so a task may be tried again.

        Returns:
            The number of rows sent.
        """
        sent = 0
        remaining = iter(rows)
        with self._client.pipeline(transaction=False) as pipeline:
            while some := list(islice(remaining, _ROWS_AT_ONCE)):
                for bucket, mapping in _by_bucket(some, version.buckets).items():
                    pipeline.hset(self._bucket(run_id, bucket), mapping=mapping)
                pipeline.execute()
                sent += len(some)
        return sent

    def swap(self, run_id: str, version: Version, *, keep_seconds: int) -> None:
        """Count the version, point to it, and let all others expire.

        Args:
            run_id: The version.
            version: As ``begin`` gave it.
            keep_seconds: How long the others stay for whoever still reads them.

        Raises:
            ContractError: Customers are missing, or too many.
        """
        found = self.count(run_id, version)
        if found != version.customers:
            raise ContractError(
                f"Redis holds {found:,} of {version.customers:,} customers of run {run_id}: rows "
                f"were lost, or a customer stands twice. {_WAY_OUT}"
            )
        ready = Version(version.features, version.buckets, version.customers, "ready")
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.hset(self._versions, run_id, ready.to_text())
            pipeline.set(self._current, run_id)
            pipeline.execute()
        for other, known in self.known().items():
            if other == run_id:
                self._each_bucket(run_id, ready, "PERSIST")
            elif known.state == "loading":
                self._delete(other, known)
            elif self.count(other, known):
                self._each_bucket(other, known, "EXPIRE", keep_seconds, "NX")
            else:
                self._client.hdel(self._versions, other)

    def current(self) -> str | None:
        """The version that was swapped in last."""
        found = cast(bytes | None, self._client.get(self._current))
        return None if found is None else found.decode()

    def known(self) -> Mapping[str, Version]:
        """Every version that was entered and not yet forgotten."""
        found = cast(dict[bytes, bytes], self._client.hgetall(self._versions))
        return {name.decode(): Version.from_text(text) for name, text in found.items()}

    def count(self, run_id: str, version: Version) -> int:
        """How many customers the version holds."""
        return sum(cast(list[int], self._each_bucket(run_id, version, "HLEN")))

    def read(self, run_id: str, unit_id: str, buckets: int) -> bytes | None:
        """What is kept of one customer."""
        key = self._bucket(run_id, _bucket_of(unit_id, buckets))
        return cast(bytes | None, self._client.hget(key, unit_id))

    @property
    def _versions(self) -> str:
        return f"{self._prefix}:versions"

    @property
    def _current(self) -> str:
        return f"{self._prefix}:current"

    def _bucket(self, run_id: str, bucket: int) -> str:
        return f"{self._prefix}:{run_id}:{bucket}"

    def _delete(self, run_id: str, version: Version) -> None:
        self._each_bucket(run_id, version, "UNLINK")
        self._client.hdel(self._versions, run_id)

    def _each_bucket(
        self, run_id: str, version: Version, command: str, *arguments: str | int
    ) -> list[object]:
        answers: list[object] = []
        with self._client.pipeline(transaction=False) as pipeline:
            for bucket in range(version.buckets):
                pipeline.execute_command(command, self._bucket(run_id, bucket), *arguments)  # type: ignore[no-untyped-call]
                if len(pipeline) >= _COMMANDS_AT_ONCE:
                    answers += pipeline.execute()
            answers += pipeline.execute()
        return answers


@dataclass(frozen=True)
class RedisSender:
    """Loads a partition of customers into a version; travels to wherever the partition is.

    Attributes:
        url: Of the server.
        timeout_seconds: For one answer.
        campaign_id: The campaign.
        run_id: The version.
        version: As ``RedisVersions.begin`` gave it.
        encoder: The model's, so that a lookup needs no encoding.
    """

    url: str
    timeout_seconds: float
    campaign_id: str
    run_id: str
    version: Version
    encoder: FeatureEncoder

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> int:
        """Send the rows; returns their number.

        Raises:
            ContractError: Redis is gone, slow, full, or refuses.
        """
        rows = (row for batch in batches for row in encoded_rows(batch, self.encoder))
        client = connect(self.url, timeout_seconds=self.timeout_seconds)
        try:
            with answering():
                versions = RedisVersions(client, self.campaign_id)
                return versions.fill(self.run_id, self.version, rows)
        finally:
            client.close()


def _by_bucket(rows: Iterable[Row], buckets: int) -> dict[int, dict[_Field, _Field]]:
    found: dict[int, dict[_Field, _Field]] = {}
    for unit_id, contactable, features in rows:
        bucket = found.setdefault(_bucket_of(unit_id, buckets), {})
        bucket[unit_id] = bytes([contactable]) + features
    return found


def _bucket_of(unit_id: str, buckets: int) -> int:
    """CRC-32 is even enough to spread keys, and the same for every writer and reader."""
    return zlib.crc32(unit_id.encode()) % buckets
