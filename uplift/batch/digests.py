"""Digests of what a step reads and writes: by content inside the workspace, by look outside it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

ABSENT = "absent"


def content_digest(path: Path) -> str:
    """SHA-256 over names and bytes of a file, or of every file below a folder.

    A link counts as what it leads to, so a table's digest does not hang on the name of its version.
    Hidden files (a leading dot or underscore) are nobody's data. ``absent`` if nothing is there.
    """
    if not path.exists():
        return ABSENT
    digest = hashlib.sha256()
    for name, file in _files(path.resolve()):
        with file.open("rb") as opened:
            inner = hashlib.file_digest(opened, "sha256").digest()
        digest.update(len(name).to_bytes(8, "big") + name.encode() + inner)
    return digest.hexdigest()


def look_digest(location: str) -> str | None:
    """SHA-256 over name, size and time of change of every file below an input; cheap at any size.

    Times are compared for equality alone, never for order, so a clock that goes wrong can make a
    step run again, but never skip one whose files were written anew. None where nobody can look: a
    location that is no local path, such as an object store or a catalog's table.
    """
    path = Path(location.removeprefix("file://"))
    if "://" in str(path) or not path.exists():
        return None
    digest = hashlib.sha256()
    for name, file in _files(path.resolve()):
        stat = file.stat()
        digest.update(f"{len(name)} {name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    """Files by name from the folder, in order; the file itself has no name."""
    if path.is_file():
        yield "", path
        return
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path)
        if file.is_file() and not any(part.startswith((".", "_")) for part in name.parts):
            yield name.as_posix(), file
