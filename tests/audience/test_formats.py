import csv
from collections.abc import Iterator
from pathlib import Path

import duckdb
import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uplift.audience import formats
from uplift.audience.formats import count_guarded, write_file

TRICKY = {
    "text": ['a "quoted" one', "two\nlines", "comma, semicolon;", "ümläut 优惠券", "", None, " x "],
    "number": [-0.125, 1e-17, 1e300, 0.1, None, -0.0, 12.0],
}


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as found:
        found.register("rows", pa.table(TRICKY))
        yield found


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("x";"y")']
HARMLESS = ["", "ann", "a=1", " =1", "'=1", "1-2", "Zoë", "a\nb", 'say "hi"; ok,']


def as_csv(path: Path, columns: dict[str, object]) -> list[list[str]]:
    """The cells of a CSV file of these columns, without its header."""
    with duckdb.connect() as connection:
        connection.register("given", pa.table(columns))
        rows = write_file(connection, "SELECT * FROM given", {}, path, file_format="csv")
    with path.open(encoding="utf-8", newline="") as file:
        cells = list(csv.reader(file))[1:]
    assert len(cells) == rows
    return cells


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_a_spreadsheet_would_run_is_guarded(tmp_path: Path, text: str) -> None:
    assert as_csv(tmp_path / "a.csv", {"id": [text]}) == [["'" + text]]


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_comes_back_as_it_was(tmp_path: Path, text: str) -> None:
    assert as_csv(tmp_path / "a.csv", {"id": [text]}) == [[text]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_numbers_negative_ones_too_come_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float]
) -> None:
    cells = as_csv(tmp_path_factory.mktemp("csv") / "a.csv", {"uplift": numbers})
    assert [float(cell).hex() for (cell,) in cells] == [number.hex() for number in numbers]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_no_cell_of_text_ever_starts_like_a_formula(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    cells = [row[1] for row in as_csv(path, {"n": [1] * len(texts), "id": texts})]
    assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r\0")]
    with duckdb.connect() as connection:
        connection.register("given", pa.table({"id": texts}))
        n_guarded = count_guarded(connection, "SELECT id FROM given", {})
    assert sum(cell != text for cell, text in zip(cells, texts, strict=True)) == n_guarded


def test_csv_gives_back_every_text_and_every_number(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    assert write_file(connection, "SELECT * FROM rows", {}, path, file_format="csv") == 7
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["text", "number"]
    assert [row[0] for row in rows] == [text or "" for text in TRICKY["text"]]
    numbers = [float(row[1]) if row[1] else None for row in rows]
    assert numbers == TRICKY["number"]


def test_an_empty_text_and_a_missing_one_stay_apart(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    write_file(connection, "SELECT text FROM rows", {}, path, file_format="csv")
    assert path.read_text().splitlines()[-3:] == ['""', "", '" x "']


def test_a_workbook_goes_on_to_another_sheet_where_one_is_full(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "_SHEET_ROWS", 3)
    path = tmp_path / "rows.xlsx"
    query = "SELECT range AS i FROM range(7)"
    assert write_file(connection, query, {}, path, file_format="xlsx") == 7
    sheets = openpyxl.load_workbook(path).worksheets
    values = [[row[0] for row in sheet.iter_rows(values_only=True)] for sheet in sheets]
    assert values == [["i", 0, 1, 2], ["i", 3, 4, 5], ["i", 6]]


def test_links_and_formulas_are_plain_text_in_a_workbook(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "rows.xlsx"
    query = "SELECT * FROM (VALUES ('=1+1'), ('http://example.org'), ('12')) AS t(cell)"
    write_file(connection, query, {}, path, file_format="xlsx")
    cells = [row[0] for row in openpyxl.load_workbook(path).worksheets[0].iter_rows(min_row=2)]
    assert [(cell.value, cell.data_type, cell.hyperlink) for cell in cells] == [
        ("=1+1", "s", None),
        ("http://example.org", "s", None),
        ("12", "s", None),
    ]
