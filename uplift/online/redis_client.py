"""How Redis is reached, and what is said when it cannot be."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from uplift.errors import ConfigError, ContractError

if TYPE_CHECKING:
    from redis import Redis


def connect(url: str, *, timeout_seconds: float) -> "Redis":
    """A client for ``redis://host:port/db``; nothing is sent yet.

    Raises:
        ConfigError: The package ``redis`` is not installed, or the address is none.
    """
    try:
        from redis import Redis
    except ImportError as error:
        raise ConfigError(
            "`online.store` is redis, but the package `redis` is not installed. Install "
            "`uplift-scoring[redis]`, or set `online.store: embedded`."
        ) from error
    try:
        return Redis.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds
        )
    except ValueError as error:
        raise ConfigError(f"`online.redis.url` is no address of Redis: {error}.") from error


@contextmanager
def answering() -> Iterator[None]:
    """Turn an error of Redis inside the block into ours, which names the way out.

    Raises:
        ContractError: Redis is gone, slow, full, or refuses.
    """
    from redis.exceptions import RedisError

    try:
        yield
    except RedisError as error:
        raise ContractError(
            f"Redis does not do what it is asked ({error}). Look after it and run this again, or "
            "set `online.store: embedded`."
        ) from error
