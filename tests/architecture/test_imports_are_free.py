"""Importing a module does nothing: no session, no app, no settings, no plot style, no file."""

import subprocess
import sys
from pathlib import Path

from tests.architecture import builders as house

PROBE = """
import importlib, logging, sys, threading
handlers = list(logging.getLogger().handlers)
for name in {modules!r}:
    importlib.import_module(name)
pyspark = sys.modules.get("pyspark")
if pyspark is not None:
    from pyspark import SparkContext
    assert SparkContext._active_spark_context is None, "importing started Spark"
assert "causalml" not in sys.modules, "importing loaded causalml"
assert "matplotlib.pyplot" not in sys.modules, "importing loaded pyplot"
assert logging.getLogger().handlers == handlers, "importing configured logging"
extra = [t.name for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
assert not extra, f"importing started threads {{extra}}"
"""


def test_importing_every_module_starts_nothing_and_writes_nothing(tmp_path: Path) -> None:
    modules = [house.module_name(path) for path in house.sources()]
    importable = [name for name in modules if not name.endswith("__main__")]
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(modules=importable)],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(house.ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    left = [path.name for path in tmp_path.iterdir() if path.name not in {".cache", ".config"}]
    assert left == [], f"importing wrote {left}"
