from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from uplift.errors import ContractError
from uplift.spark.tables import read_table, write_table

pytestmark = pytest.mark.spark


def ids(spark, path):
    return sorted(row.id for row in read_table(spark, path, made_by="some_job.py").collect())


def test_a_written_table_is_read_back_and_its_rows_are_counted(spark, tmp_path):
    path = tmp_path / "tables" / "some"

    assert write_table(spark.range(7), path) == 7
    assert ids(spark, path) == list(range(7))


def test_an_empty_table_keeps_its_columns(spark, tmp_path):
    path = tmp_path / "some"

    assert write_table(spark.range(0), path) == 0
    assert read_table(spark, path, made_by="some_job.py").columns == ["id"]


def test_a_missing_table_names_the_job_that_makes_it(spark, tmp_path):
    with pytest.raises(ContractError, match=r"Run jobs/some_job\.py first"):
        read_table(spark, tmp_path / "absent", made_by="some_job.py")


def test_a_second_write_replaces_the_first_and_leaves_nothing_behind(spark, tmp_path):
    path = tmp_path / "some"
    write_table(spark.range(7), path)

    write_table(spark.range(3), path)

    assert ids(spark, path) == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 2  # the link and the one version behind it


def test_a_table_may_be_computed_from_its_older_self(spark, tmp_path):
    path = tmp_path / "some"
    write_table(spark.range(3), path)

    write_table(read_table(spark, path, made_by="some_job.py").where("id > 0"), path)

    assert ids(spark, path) == [1, 2]


def test_a_write_that_breaks_leaves_the_old_table(spark, tmp_path):
    path = tmp_path / "some"
    write_table(spark.range(3), path)
    breaks_half_way = spark.range(0, 10, 1, 2).where(
        F.when(F.col("id") > 5, F.raise_error(F.lit("disk full"))).otherwise(F.lit(True))
    )

    with pytest.raises(PySparkException, match="disk full"):
        write_table(breaks_half_way, path)

    assert ids(spark, path) == [0, 1, 2]


def test_a_write_killed_just_before_the_turn_leaves_the_old_table(spark, tmp_path, monkeypatch):
    path = tmp_path / "some"
    write_table(spark.range(3), path)

    def killed(self, target):
        raise SystemExit

    with monkeypatch.context() as killing:
        killing.setattr(Path, "replace", killed)
        with pytest.raises(SystemExit):
            write_table(spark.range(9), path)

    assert ids(spark, path) == [0, 1, 2]


def test_writes_that_break_again_and_again_do_not_fill_the_disk(spark, tmp_path):
    breaks = spark.range(3).where(F.raise_error(F.lit("disk full")).cast("boolean"))
    for _ in range(3):
        with pytest.raises(PySparkException):
            write_table(breaks, tmp_path / "some")
    assert len(list(tmp_path.iterdir())) <= 1


def test_the_next_write_cleans_up_what_a_killed_one_left(spark, tmp_path):
    path = tmp_path / "some"
    write_table(spark.range(3), path)
    stray = tmp_path / ".some.0123abcd"
    stray.mkdir()
    (stray / "part-00000.parquet").write_bytes(b"half")
    (tmp_path / ".some.link").symlink_to("nowhere")
    (tmp_path / ".something_else.0123abcd").mkdir()

    write_table(spark.range(4), path)

    assert ids(spark, path) == [0, 1, 2, 3]
    assert not stray.exists()
    assert not (tmp_path / ".some.link").is_symlink()
    assert (tmp_path / ".something_else.0123abcd").is_dir()


def test_a_plain_folder_is_replaced_too(spark, tmp_path):
    path = tmp_path / "some"
    spark.range(3).write.parquet(str(path))

    assert write_table(spark.range(5), path) == 5
    assert ids(spark, path) == [0, 1, 2, 3, 4]


def test_a_moved_workspace_keeps_its_tables(spark, tmp_path):
    write_table(spark.range(3), tmp_path / "here" / "tables" / "some")

    (tmp_path / "here").rename(tmp_path / "there")

    assert ids(spark, tmp_path / "there" / "tables" / "some") == [0, 1, 2]


def test_the_same_rows_make_the_same_files(spark, tmp_path):
    def files(name):
        write_table(spark.range(0, 9, 1, 2), tmp_path / name)
        return {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}

    first = files("one")
    assert first == files("two")
    assert sorted(first) == ["part-00000.parquet", "part-00001.parquet"]
