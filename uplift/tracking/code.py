"""Which code trained a model: enough to find it again, whether or not it was committed."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

import uplift

PACKAGE = Path(uplift.__file__).resolve().parent


@dataclass(frozen=True)
class CodeVersion:
    """The version that did the work.

    Attributes:
        package: The version number of the package.
        sources: SHA-256 over names and bytes of the package's modules: equal sources, equal
            digest, so an uncommitted change shows.
        commit: The git commit checked out, null where the package is not in a checkout of its own.
    """

    package: str
    sources: str
    commit: str | None


def code_version(package: Path = PACKAGE) -> CodeVersion:
    """The version of the package in this folder."""
    return CodeVersion(uplift.__version__, _digest(package), _commit(package))


def _digest(package: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        for part in (path.relative_to(package).as_posix().encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _commit(package: Path) -> str | None:
    """Null, too, for a package that is installed inside somebody else's checkout."""
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    return _git(package, "rev-parse", "HEAD")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
