"""Audience files: CSV that no spreadsheet can take for formulas, and Parquet."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

# A spreadsheet runs a cell that starts like this. OWASP ASVS 1.2.10, and CR.
_FORMULA = r"\A[=+\-@\t\r\x00]"


@dataclass(frozen=True)
class Written:
    """What a file holds.

    Attributes:
        rows: Customers in the file.
        guarded_cells: Cells that got a leading apostrophe, so that they are no formulas.
    """

    rows: int
    guarded_cells: int


def write_csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path) -> Written:
    """Write UTF-8 CSV with a header, text in quotes.

    Text that a spreadsheet would run gets a leading apostrophe; numbers never do, else every
    negative effect would become text.
    """
    rows = guarded_cells = 0
    with pa.csv.CSVWriter(path, schema) as writer:
        for batch in batches:
            safe, n_guarded = guard_formulas(batch)
            writer.write_batch(safe)
            rows += batch.num_rows
            guarded_cells += n_guarded
    return Written(rows, guarded_cells)


def write_parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path) -> Written:
    """Write Parquet, packed with zstd; values stay exactly as published."""
    rows = 0
    with pa.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return Written(rows, guarded_cells=0)


Writer = Callable[[pa.Schema, Iterable[pa.RecordBatch], Path], Written]
WRITERS: Mapping[str, Writer] = {"csv": write_csv, "parquet": write_parquet}


def guard_formulas(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, int]:
    """The batch with an apostrophe before text that looks like a formula, and how many had it.

    Examples:
        >>> batch = pa.record_batch({"name": ["=1+1", "ann"], "uplift": [-0.1, 0.2]})
        >>> safe, n_guarded = guard_formulas(batch)
        >>> safe["name"].to_pylist(), safe["uplift"].to_pylist(), n_guarded
        (["'=1+1", 'ann'], [-0.1, 0.2], 1)
    """
    n_guarded, columns = 0, []
    for column in batch.columns:
        if not pa.types.is_primitive(column.type):
            is_formula = pc.fill_null(pc.match_substring_regex(column, _FORMULA), False)
            found = pc.sum(is_formula).as_py() or 0
            if found:
                marked = pc.binary_join_element_wise("'", column, "")
                column = pc.if_else(is_formula, marked, column)
                n_guarded += found
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema), n_guarded
