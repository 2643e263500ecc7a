"""The rules of the house, as data, and the functions that find what breaks them."""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 300

# A room may import rooms of a lower rank; rooms of one rank only as NEIGHBOURS says.
RANK: Mapping[str, int] = {
    "uplift": 0,
    "uplift.errors": 0,
    "uplift.arms": 0,
    "uplift.columns": 0,
    "uplift.config": 0,
    "uplift.hashing": 0,
    "uplift.logs": 0,
    "uplift.workspace": 0,
    "uplift.ensemble": 1,
    "uplift.pages": 1,
    "uplift.features": 2,
    "uplift.forest": 2,
    "uplift.learners": 2,
    "uplift.experiment": 2,
    "uplift.evaluation": 3,
    "uplift.policy": 3,
    "uplift.monitoring": 3,
    "uplift.selection": 4,
    "uplift.spark": 4,
    "uplift.tracking": 4,
    "uplift.audience": 4,
    "uplift.online": 4,
    "uplift.batch": 4,
    "jobs": 5,
    "serving": 5,
}
WORDS = 0  # the words may import each other
NEIGHBOURS = {
    ("uplift.learners", "uplift.features"),
    ("uplift.learners", "uplift.forest"),
    ("uplift.monitoring", "uplift.evaluation"),
}

HOME: Mapping[str, tuple[str, ...]] = {
    "pyspark": ("uplift/spark", "jobs"),
    "mlflow": ("uplift/tracking",),
    "causalml": ("uplift/learners",),
    "lightgbm": ("uplift/learners",),
    "onnx": ("uplift/ensemble/onnx_graph.py",),
    "optuna": ("uplift/selection",),
    "numba": ("uplift/ensemble", "uplift/forest"),
    "fastapi": ("serving",),
    "starlette": ("serving",),
    "uvicorn": ("serving",),
    "prometheus_client": ("serving",),
    "httpx2": ("serving/client.py",),
    "duckdb": ("uplift/audience",),
    "matplotlib": (
        "uplift/evaluation/budget_figure.py",
        "uplift/evaluation/figures.py",
        "uplift/experiment/figures.py",
        "uplift/pages/svg.py",
    ),
    "jinja2": ("uplift/pages/html.py", "uplift/batch/page.py"),
    "redis": ("uplift/online",),
    "yaml": ("uplift/config",),
}

ALLOWED_AT_TOP = {
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "conf",
    "jobs",
    "pyproject.toml",
    "requirements.txt",
    "serving",
    "tests",
    "uplift",
}


def sources(root: Path = ROOT) -> list[Path]:
    """Every Python file of the product, tests left out."""
    return sorted(
        path for top in ("uplift", "jobs", "serving") for path in (root / top).rglob("*.py")
    )


def module_name(path: Path, root: Path = ROOT) -> str:
    """``uplift/policy/value.py`` is ``uplift.policy.value``."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str | None:
    """The room a module lives in: the longest known prefix; None for foreign libraries."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        if prefix in RANK and (prefix != "uplift" or module == "uplift"):
            return prefix
    return None


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, anywhere in it, with ``from a import b`` as ``a.b`` too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_allowed(importer: str, imported: str) -> bool:
    """Whether one room may import another."""
    if importer == imported or (RANK[importer] == RANK[imported] == WORDS):
        return True
    return RANK[imported] < RANK[importer] or (importer, imported) in NEIGHBOURS


def wrong_way_imports(path: Path, root: Path = ROOT) -> set[str]:
    """Imports that go up the street, or next door where no door is."""
    here = room_of(module_name(path, root))
    if here is None:
        return {"(a file in no known room)"}
    rooms = {room for room in map(room_of, imports(path)) if room and room != "uplift"}
    return {room for room in rooms if not is_allowed(here, room)}


def strays(path: Path, root: Path = ROOT) -> set[str]:
    """Libraries imported outside their home."""
    where = path.relative_to(root)
    libraries = {name.split(".")[0] for name in imports(path)} & set(HOME)
    return {
        library
        for library in libraries
        if not any(where.is_relative_to(home) for home in HOME[library])
    }


def foreign_at_import_time(path: Path, heavy: frozenset[str]) -> set[str]:
    """Heavy libraries imported at module level, where importing should be free."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names & heavy


STANDARD_LIBRARY = sys.stdlib_module_names
