import csv
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uplift.audience.formats import write_csv, write_parquet

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\0=1", '=HYPERLINK("x";"y")']
HARMLESS = ["", "ann", "a=1", " =1", "'=1", "1-2", "Zoë", "a\nb", 'say "hi"; ok,']


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def written(path: Path, batch: pa.RecordBatch) -> tuple[int, list[list[str]]]:
    found = write_csv(batch.schema, [batch], path)
    assert found.rows == batch.num_rows
    return found.guarded_cells, read_csv(path)[1:]


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_a_spreadsheet_would_run_is_guarded(tmp_path: Path, text: str) -> None:
    n_guarded, rows = written(tmp_path / "a.csv", pa.record_batch({"id": [text]}))

    assert (n_guarded, rows) == (1, [["'" + text]])


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_comes_back_as_it_was(tmp_path: Path, text: str) -> None:
    n_guarded, rows = written(tmp_path / "a.csv", pa.record_batch({"id": [text]}))

    assert (n_guarded, rows) == (0, [[text]])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_numbers_negative_ones_too_come_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"

    n_guarded, rows = written(path, pa.record_batch({"uplift": numbers}))

    assert n_guarded == 0
    read = [float(cell) for (cell,) in rows]
    assert [(x, math.copysign(1, x)) for x in read] == [(x, math.copysign(1, x)) for x in numbers]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_no_cell_of_text_ever_starts_like_a_formula(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"

    n_guarded, rows = written(path, pa.record_batch({"n": [1] * len(texts), "id": texts}))

    cells = [row[1] for row in rows]
    assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r\0")]
    assert sum(cell != text for cell, text in zip(cells, texts, strict=True)) == n_guarded


def test_missing_text_is_an_empty_cell(tmp_path: Path) -> None:
    batch = pa.record_batch({"n": [1, 2], "id": pa.array([None, "ann"], pa.string())})

    assert written(tmp_path / "a.csv", batch) == (0, [["1", ""], ["2", "ann"]])


def test_guarded_cells_are_counted_over_columns_and_batches(tmp_path: Path) -> None:
    batch = pa.record_batch({"a": ["=1", "x"], "b": ["@", "-"]})

    found = write_csv(batch.schema, [batch, batch], tmp_path / "a.csv")

    assert (found.rows, found.guarded_cells) == (4, 6)


def test_nobody_gives_a_file_with_its_header_alone(tmp_path: Path) -> None:
    schema = pa.schema({"unit_id": pa.string(), "uplift": pa.float64()})

    write_csv(schema, [], tmp_path / "a.csv")
    write_parquet(schema, [], tmp_path / "a.parquet")

    assert (tmp_path / "a.csv").read_bytes() == b'"unit_id","uplift"\n'
    assert pq.read_table(tmp_path / "a.parquet").schema == schema


def test_parquet_keeps_every_value_as_it_was(tmp_path: Path) -> None:
    batch = pa.record_batch({"id": ["=1+1", "ann"], "uplift": [-0.1, 0.2]})

    found = write_parquet(batch.schema, [batch, batch], tmp_path / "a.parquet")

    assert (found.rows, found.guarded_cells) == (4, 0)
    read = pq.read_table(tmp_path / "a.parquet")
    assert read.to_pylist() == batch.to_pylist() * 2
