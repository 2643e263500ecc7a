"""Tables as Parquet folders: a reader sees the old one or the new one, never half of one.

``tables/training_set`` is a link to a version folder beside it. A write fills a new version and
then turns the link, which is one atomic step; a crash leaves at most a stray version, which the
next write removes. One writer per table at a time.
"""

import shutil
import uuid
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from uplift.errors import ContractError


def read_table(spark: SparkSession, path: Path, *, made_by: str) -> DataFrame:
    """The table at ``path``; a missing one names the job that makes it."""
    if not path.is_dir():
        raise ContractError(f"table {path} does not exist. Run jobs/{made_by} first.")
    return spark.read.parquet(str(path.resolve()))


def write_table(frame: DataFrame, path: Path) -> int:
    """Replace the table at ``path`` by ``frame``.

    Returns:
        The number of rows written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_versions(path, but=path.resolve())
    version = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    frame.write.parquet(str(version.absolute()))
    rows = tidy(version)
    _turn(path, version)
    _remove_versions(path, but=version)
    return rows


def tidy(version: Path) -> int:
    """Give the files names without run ids, drop Spark's markers, and count the rows."""
    for marker in [*version.glob("_*"), *version.glob(".*")]:
        marker.unlink()
    rows = 0
    for number, file in enumerate(sorted(version.glob("*.parquet"))):
        rows += pq.read_metadata(file).num_rows
        file.rename(version / f"part-{number:05d}.parquet")
    return rows


def _turn(path: Path, version: Path) -> None:
    if path.is_dir() and not path.is_symlink():  # a plain folder, as a copied workspace has
        path.rename(path.with_name(f".{path.name}.{uuid.uuid4().hex}"))
    link = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    link.symlink_to(version.name, target_is_directory=True)
    link.replace(path)


def _remove_versions(path: Path, *, but: Path) -> None:
    for stray in path.parent.glob(f".{path.name}.*"):
        if stray.is_symlink():
            stray.unlink()
        elif stray.resolve() != but.resolve():
            shutil.rmtree(stray)
