"""What every test may ask for."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("UPLIFT_DATA", ROOT.parent / "shared" / "data"))
ABSENT_LOG = "a real log is absent"
NO_SKIPS = os.environ.get("UPLIFT_NO_SKIPS") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under UPLIFT_NO_SKIPS=1 a skip is a failure, but for logs that nobody may redistribute."""
    report = yield
    if NO_SKIPS and report.skipped and ABSENT_LOG not in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"skipped under UPLIFT_NO_SKIPS: {report.longrepr}"
    return report


settings.register_profile("house", deadline=None)  # a busy machine is no failure
settings.load_profile("house")


def real_log(name: str) -> Path:
    """A real log outside the repository; the test skips where it is absent."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{ABSENT_LOG}: {path}; set UPLIFT_DATA to the folder that holds it")
    return path


@pytest.fixture(scope="session")
def hillstrom() -> Path:
    return real_log("hillstrom/hillstrom.csv.gz")


@pytest.fixture(scope="session")
def spark() -> "Iterator[SparkSession]":
    """One session for all tests; it starts only if a test asks."""
    from uplift.config import SparkSettings
    from uplift.spark.session import make_session

    session = make_session(
        SparkSettings(master="local[2]", settings={"spark.sql.shuffle.partitions": "2"}),
        app_name="tests",
    )
    yield session
    session.stop()
