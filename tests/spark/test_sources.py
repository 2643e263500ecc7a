import gzip
import re

import pytest
from py4j.protocol import Py4JJavaError

from uplift.errors import ContractError
from uplift.spark.sources import MALFORMED, number_rows, open_table, unreadable

pytestmark = pytest.mark.spark

KEY = "inputs.raw.events"


def opened(spark, path, file_format):
    return open_table(spark, str(path), file_format, key=KEY)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_csv_line_with_more_or_fewer_fields_is_kept_as_it_is(spark, tmp_path):
    lines = ['1,"a ""b"", c"', "2", "3,c,d", '"4,open', "5,", '"5",""']
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress("\n".join(["x,y", *lines]).encode()))
    frame = opened(spark, path, "csv")
    rows = frame.collect()
    assert [row[MALFORMED] for row in rows] == [None, "2", "3,c,d", '"4,open', None, None]
    assert [(row.x, row.y) for row in rows if row[MALFORMED] is None] == [
        ("1", 'a "b", c'),
        ("5", None),
        ("5", None),
    ]
    sound = frame.where(f"{MALFORMED} is null").select("x")
    assert [row.x for row in sound.collect()] == ["1", "5", "5"]  # also when few columns are read


def test_a_json_line_that_cannot_be_parsed_is_kept_as_it_is(spark, tmp_path):
    path = write(tmp_path / "t.json", '{"x": 1, "y": "a"}\n{"x": 2,\nno json\n\n{"y": "b"}\n')
    rows = opened(spark, path, "json").collect()
    assert [row[MALFORMED] for row in rows] == [None, '{"x": 2,', "no json", None]
    assert [(row.x, row.y) for row in rows if row[MALFORMED] is None] == [("1", "a"), (None, "b")]


def test_files_of_a_csv_table_must_have_one_header(spark, tmp_path):
    write(tmp_path / "t/1.csv", "x,y\n1,2\n")
    write(tmp_path / "t/2.csv", "y,x\n1,2\n")
    with pytest.raises(Py4JJavaError) as caught:
        opened(spark, tmp_path / "t", "csv").collect()
    said = unreadable(caught.value, source="t")
    assert re.match(r"file:\S+/t/\d\.csv of t has another header than other files", str(said))


def test_headers_that_spark_must_rename_are_read_all_the_same(spark, tmp_path):
    path = write(tmp_path / "t.csv", ",x,y,y\n0,1,2,3\n")
    assert opened(spark, path, "csv").select("x", MALFORMED).collect() == [("1", None)]


@pytest.mark.parametrize("file_format", ["orc", "parquet"])
def test_columnar_formats_keep_their_types(spark, tmp_path, file_format):
    spark.range(3).write.format(file_format).save(str(tmp_path / "t"))
    frame = opened(spark, tmp_path / "t", file_format)
    assert frame.dtypes == [("id", "bigint")]
    assert frame.count() == 3


def test_a_catalog_table_is_opened_by_its_name(spark):
    spark.range(3).createOrReplaceTempView("three")
    assert opened(spark, "three", "table").count() == 3


@pytest.mark.parametrize(
    ("location", "file_format", "sentence"),
    [
        ("absent.csv", "csv", r"absent\.csv does not exist\. Check `inputs\.raw\.events`"),
        ("log.csv", "parquet", r"log\.csv cannot be read as parquet"),
        ("log.csv", "parqet", r"does not know the format 'parqet' \(is it 'parquet'\?\)"),
        ("log.csv", "delta", r"format 'delta' \(add its jar to `spark\.settings`\?\)"),
        ("header.csv", "csv", r"header\.csv is empty: 0 rows"),
    ],
)
def test_what_cannot_be_opened_is_named_with_its_key(
    spark, tmp_path, location, file_format, sentence
):
    write(tmp_path / "log.csv", "x\n1\n")
    write(tmp_path / "header.csv", "x\n")
    with pytest.raises(ContractError, match=sentence):
        opened(spark, tmp_path / location, file_format)


def test_a_table_that_the_catalog_lacks_is_named(spark):
    with pytest.raises(ContractError, match=r"no table 'lake\.absent'"):
        opened(spark, "lake.absent", "table")


def test_a_row_keeps_its_number_however_the_files_are_cut_and_packed(spark, tmp_path):
    lines = [f"{i:06d}" for i in range(1000)]
    for name, part in {"b": lines[:100], "a": lines[100:900], "c": lines[900:]}.items():
        write(tmp_path / "log" / f"{name}.csv", "\n".join(["row", *part]) + "\n")
    expected = {
        row: str(i) for i, row in enumerate(lines[100:900] + lines[:100] + lines[900:], start=1)
    }
    before = spark.conf.get("spark.sql.files.maxPartitionBytes")
    try:
        for block in (before, "1000"):
            spark.conf.set("spark.sql.files.maxPartitionBytes", block)
            frame = number_rows(
                spark.read.option("header", True).csv(str(tmp_path / "log")), "unit_id"
            )
            assert {row.row: row.unit_id for row in frame.collect()} == expected
    finally:
        spark.conf.set("spark.sql.files.maxPartitionBytes", before)
