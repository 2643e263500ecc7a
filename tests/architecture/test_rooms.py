"""The one-way street, the homes of the libraries, the size of a file: seen to fail when planted."""

import subprocess
from pathlib import Path

import pytest

from tests.architecture import builders as house

every_file = pytest.mark.parametrize(
    "path", house.sources(), ids=lambda path: str(path.relative_to(house.ROOT))
)


@every_file
def test_imports_only_point_down_the_street(path: Path) -> None:
    wrong = house.wrong_way_imports(path)
    assert not wrong, f"{path.relative_to(house.ROOT)} may not import {sorted(wrong)}; see RANK"


@every_file
def test_keeps_each_library_in_its_home(path: Path) -> None:
    strays = house.strays(path)
    assert not strays, f"{path.relative_to(house.ROOT)} imports {sorted(strays)}; see HOME"


@every_file
def test_causalml_is_imported_only_inside_the_function_that_fits(path: Path) -> None:
    assert not house.foreign_at_import_time(path, frozenset({"causalml", "xgboost"}))


@pytest.mark.parametrize(
    "path",
    sorted([*house.sources(), *(house.ROOT / "tests").rglob("*.py")]),
    ids=lambda path: str(path.relative_to(house.ROOT)),
)
def test_a_file_fits_on_a_few_screens(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= house.MAX_LINES, f"{path.relative_to(house.ROOT)} has {lines} lines"


def test_every_test_file_is_collected() -> None:
    allowed = {"conftest.py", "builders.py", "__init__.py"}
    strays = [
        path.relative_to(house.ROOT)
        for path in (house.ROOT / "tests").rglob("*.py")
        if not path.name.startswith("test_") and path.name not in allowed
    ]
    assert not strays, f"pytest would never see {strays}; name them test_*.py"


def test_every_test_folder_is_a_package() -> None:
    folders = {path.parent for path in (house.ROOT / "tests").rglob("test_*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


def test_the_top_level_is_what_the_customer_fixed() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=house.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert top <= house.ALLOWED_AT_TOP, sorted(top - house.ALLOWED_AT_TOP)


def test_every_room_on_disk_has_a_rank() -> None:
    rooms = {
        f"uplift.{path.stem}"
        for path in (house.ROOT / "uplift").iterdir()
        if (path.is_dir() and any(path.glob("*.py"))) or path.suffix == ".py"
    } - {"uplift.__init__"}
    assert rooms <= set(house.RANK), sorted(rooms - set(house.RANK))


@pytest.mark.parametrize(
    ("file", "code", "found"),
    [
        ("uplift/policy/p.py", "from uplift.spark import session", {"uplift.spark"}),
        ("uplift/policy/p.py", "def f():\n    import uplift.evaluation.x", {"uplift.evaluation"}),
        ("uplift/errors.py", "import uplift.arms", set()),
        ("uplift/features/p.py", "import uplift.learners", {"uplift.learners"}),
        ("uplift/learners/p.py", "import uplift.features", set()),
        ("jobs/p.py", "import serving.app", {"serving"}),
        ("serving/p.py", "from uplift.audience import snapshot", set()),
    ],
)
def test_a_planted_import_is_judged(tmp_path: Path, file: str, code: str, found: set[str]) -> None:
    planted = tmp_path / file
    planted.parent.mkdir(parents=True)
    planted.write_text(code)
    assert house.wrong_way_imports(planted, tmp_path) == found


@pytest.mark.parametrize(
    ("file", "code", "found"),
    [
        ("uplift/policy/p.py", "import pyspark.sql", {"pyspark"}),
        ("uplift/config/load.py", "import yaml", set()),
        ("uplift/evaluation/report.py", "from matplotlib import pyplot", {"matplotlib"}),
        ("serving/p.py", "def f():\n    from mlflow import x", {"mlflow"}),
    ],
)
def test_a_planted_library_is_judged(tmp_path: Path, file: str, code: str, found: set[str]) -> None:
    planted = tmp_path / file
    planted.parent.mkdir(parents=True)
    planted.write_text(code)
    assert house.strays(planted, tmp_path) == found
