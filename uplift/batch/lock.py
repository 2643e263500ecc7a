"""One night at a time: a lock that dies with its owner, however that ends."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from uplift.errors import ContractError


@contextmanager
def only_one(path: Path, about: Mapping[str, str]) -> Iterator[None]:
    """Hold the lock while the block runs; the kernel lets go of it when this process dies.

    The file stays, and what stands in it is for people only: a process that was killed leaves its
    name there, but no lock. A clock plays no part.

    Args:
        path: The lock's file; its folder is made.
        about: What the holder is doing, for the message that the next one gets.

    Raises:
        ContractError: Another process holds the lock; it is named.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ContractError(
                f"{path} is held by {_holder(file.read())}: two nights in one workspace would "
                "overwrite each other, so this one did nothing. Run it again when the other has "
                "ended."
            ) from None
        file.truncate(0)
        holder = {"process": str(os.getpid()), "host": socket.gethostname(), **about}
        file.write(json.dumps(holder))
        file.flush()
        yield


def _holder(text: str) -> str:
    """Who wrote this, or somebody unknown who has not come to it yet."""
    try:
        known = json.loads(text)
    except ValueError:
        return "another process"
    return ", ".join(f"{key} {value}" for key, value in known.items())
