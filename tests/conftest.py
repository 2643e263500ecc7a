"""What every test may ask for."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("UPLIFT_DATA", ROOT.parent / "shared" / "data"))


def real_log(name: str) -> Path:
    """A real log outside the repository; the test skips where it is absent."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is absent; set UPLIFT_DATA to the folder of real logs")
    return path


@pytest.fixture(scope="session")
def hillstrom() -> Path:
    return real_log("hillstrom/hillstrom.csv.gz")


@pytest.fixture(scope="session")
def spark() -> "Iterator[SparkSession]":
    """One session for all tests; it starts only if a test asks."""
    from uplift.spark.session import make_session

    from uplift.config import SparkSettings

    session = make_session(
        SparkSettings(master="local[2]", settings={"spark.sql.shuffle.partitions": "2"}),
        app_name="tests",
    )
    yield session
    session.stop()
