"""Code is named by its commit where there is one, and by its bytes in any case."""

import shutil
import subprocess
from pathlib import Path

import pytest

import uplift
from uplift.tracking.code import code_version

IDENTITY = ["-c", "user.name=a", "-c", "user.email=a@example.org"]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout" / "package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "a.py").write_text("x = 1\n")
    return folder


def git(folder: Path, *arguments: str) -> str:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    done = subprocess.run(
        ["git", *IDENTITY, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_sources_differ_when_a_byte_or_a_name_differs_and_not_otherwise(package: Path) -> None:
    before = code_version(package)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "a.cpython-311.pyc").write_text("compiled")
    assert code_version(package) == before
    (package / "a.py").rename(package / "b.py")
    renamed = code_version(package)
    (package / "b.py").write_text("x = 2\n")
    changed = code_version(package)
    assert len({before.sources, renamed.sources, changed.sources}) == 3
    assert before.package == uplift.__version__


def test_a_checkout_tells_its_commit(package: Path) -> None:
    git(package, "init", "-q")
    git(package, "add", ".")
    git(package, "commit", "-q", "-m", "first")
    assert code_version(package).commit == git(package, "rev-parse", "HEAD")


def test_a_package_installed_inside_another_checkout_has_no_commit(package: Path) -> None:
    (package.parent / "README").write_text("somebody else's")
    git(package.parent, "init", "-q")
    git(package.parent, "add", "README")
    git(package.parent, "commit", "-q", "-m", "first")
    assert code_version(package).commit is None


def test_a_package_outside_any_checkout_has_no_commit(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(package.parents[1]))
    assert code_version(package).commit is None
