"""A feature store in Redis, shared by many services; ``redis_versions`` explains the keys."""

from typing import TYPE_CHECKING

import numpy as np

from uplift.errors import ContractError
from uplift.online.redis_client import answering
from uplift.online.redis_versions import RedisVersions
from uplift.online.rows import FLOAT
from uplift.online.store import OnlineCustomer

if TYPE_CHECKING:
    from redis import Redis

_WAY_OUT = "Load it again with jobs.load_online_store."


class RedisStore:
    """Reads one version; the client has a pool, so threads share it."""

    is_remote = True

    def __init__(self, client: "Redis", campaign_id: str, run_id: str) -> None:
        self._client = client
        self._versions = RedisVersions(client, campaign_id)
        self._run_id = run_id
        self._is_closed = False
        with answering():
            version = self._versions.known().get(run_id)
        if version is None or version.state != "ready":
            raise ContractError(
                f"Redis does not hold run {run_id!r} of campaign {campaign_id!r} whole. {_WAY_OUT}"
            )
        self._version = version

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the arrays."""
        return self._version.features

    def get(self, unit_id: str) -> OnlineCustomer | None:
        """The customer, or None if the run does not know them."""
        if self._is_closed:
            raise ContractError(f"the store of run {self._run_id} cannot be read: it is closed.")
        with answering():
            found = self._versions.read(self._run_id, unit_id, self._version.buckets)
        if found is None:
            return None
        return OnlineCustomer(np.frombuffer(found, dtype=FLOAT, offset=1), found[0] == 1)

    def close(self) -> None:
        """Let go of the connections. A second call does nothing."""
        self._is_closed = True
        self._client.close()
