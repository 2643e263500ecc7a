"""Who took which customers' data, when: lines that are only ever added, each sealing the last.

A line that is changed or taken out later no longer fits the digest in the next one. Cutting off
the end shows only to somebody who kept the last digest elsewhere.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from uplift.errors import ContractError

_FIRST = "0" * 64


def record(path: Path, action: str, *, by: str, at: datetime, **facts: object) -> str:
    """Add a line and return its digest, once the disk has it; one writer at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        previous = _last_digest(path)
        entry = {"at": at.isoformat(), "action": action, "by": by, **facts, "previous": previous}
        digest = _digest(entry)
        file.write(_line({**entry, "digest": digest}))
        file.flush()
        os.fsync(file.fileno())
    return digest


def entries(path: Path) -> list[dict[str, object]]:
    """All lines, oldest first.

    Raises:
        ContractError: A line was changed, taken out or torn; it is named by its number.
    """
    if not path.is_file():
        return []
    found, previous = [], _FIRST
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            entry: dict[str, object] = json.loads(line)
            digest = entry.pop("digest")
        except (ValueError, KeyError) as error:
            raise ContractError(f"{path}, line {number}: this is no audit entry.") from error
        if entry["previous"] != previous or _digest(entry) != digest:
            raise ContractError(
                f"{path}, line {number}: the entry does not fit the one before or its own digest; "
                "the log was changed. Compare it with your copy."
            )
        previous = str(digest)
        found.append({**entry, "digest": digest})
    return found


def _last_digest(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - (1 << 16)))
        lines = file.read().splitlines()
    if not lines:
        return _FIRST
    try:
        return str(json.loads(lines[-1])["digest"])
    except (ValueError, KeyError) as error:
        raise ContractError(
            f"the last line of {path} is torn; nothing can be added. Move the file away, keep it, "
            "and start another."
        ) from error


def _digest(entry: Mapping[str, object]) -> str:
    return hashlib.sha256(_line(entry)).hexdigest()


def _line(entry: Mapping[str, object]) -> bytes:
    return (json.dumps(entry, sort_keys=True, ensure_ascii=False) + "\n").encode()
