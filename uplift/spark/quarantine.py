"""Where rows go that break their contract: set aside with the reason, counted, never lost.

``tables/quarantine/<table>`` of the workspace holds the broken rows of the last time that a job
read the table: ``table, source, rule, reason, row``, the last as JSON of the original columns, so
that a row can be mended and sent again. The report ``contracts`` holds the counts.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from uplift.errors import ContractError
from uplift.logs import Fact
from uplift.spark.row_rules import REASON, ROW, RULE, Contracted
from uplift.spark.sources import unreadable
from uplift.spark.tables import write_table
from uplift.workspace import Workspace, read_document, write_document

REPORT = "contracts"
_MADE_BY = "read_experiment.py"
_MOST_NAMED = 3
_READ, _KEPT = "read", "kept"


@dataclass(frozen=True)
class Breach:
    """A rule, how many rows break it first, and one of them."""

    rule: str
    rows: int
    example: str


@dataclass(frozen=True)
class Tally:
    """One table's rows: read = kept + set aside. Breaches by falling rows."""

    table: str
    source: str
    read: int
    kept: int
    breaches: tuple[Breach, ...]

    @property
    def set_aside(self) -> int:
        """Rows that break the contract."""
        return sum(breach.rows for breach in self.breaches)

    def to_document(self) -> dict[str, object]:
        """For the report."""
        return {
            "source": self.source,
            "read": self.read,
            "kept": self.kept,
            "set_aside": self.set_aside,
            "reasons": [
                {"rule": breach.rule, "rows": breach.rows, "example": breach.example}
                for breach in self.breaches
            ],
        }


@dataclass(frozen=True)
class Tallies:
    """What a job read, kept and set aside, table by table."""

    tables: tuple[Tally, ...]

    @property
    def level(self) -> int:
        """The log level that it deserves."""
        return logging.WARNING if any(tally.set_aside for tally in self.tables) else logging.INFO

    def facts(self) -> dict[str, Fact]:
        """For a log line: counts and rules, no values of customers."""
        facts: dict[str, Fact] = {}
        for tally in self.tables:
            facts |= {f"{tally.table}_read": tally.read, f"{tally.table}_kept": tally.kept}
        facts["set_aside"] = [
            f"{tally.table}: {breach.rows} x {breach.rule}"
            for tally in self.tables
            for breach in tally.breaches
        ]
        return facts


def set_aside(
    spark: SparkSession, tables: Sequence[Contracted], workspace: Workspace, *, fail_above: float
) -> Tallies:
    """Write the broken rows of every table and the report; an empty quarantine is written too.

    One pass over each table writes its broken rows and counts all of them on the way; a second
    one, over the broken rows alone, counts them by rule. No row comes to the driver but one
    example per rule.

    Args:
        spark: The session.
        tables: What a job has read, and will go on with by their ``rows``.
        workspace: Where quarantine and report are.
        fail_above: The share of a table's rows that may be set aside (``inputs.quarantine_fail``).

    Raises:
        ContractError: Too many rows of a table are broken, or all; counts do not reconcile; a file
            cannot be read. Quarantine and report are then written all the same, but for the last.
    """
    tallies = Tallies(tuple(_set_aside(spark, table, workspace) for table in tables))
    _report(tallies, workspace.report(REPORT))
    complaints = [
        _complaint(table, tally, quarantine_of(workspace, table.table))
        for table, tally in zip(tables, tallies.tables, strict=True)
        if (tally.read and not tally.kept) or tally.set_aside > fail_above * tally.read
    ]
    if complaints:
        raise ContractError(
            f"{' '.join(complaints)} A table may lose a share of {fail_above:g} of its rows: mend "
            "them at their source, or raise `inputs.quarantine_fail`."
        )
    return tallies


def quarantine_of(workspace: Workspace, table: str) -> Path:
    """Where the broken rows of a table are."""
    return workspace.table("quarantine") / table


def _set_aside(spark: SparkSession, table: Contracted, workspace: Workspace) -> Tally:
    path = quarantine_of(workspace, table.table)
    counted = Observation()
    judged = table.judged.observe(
        counted, F.count(F.lit(1)).alias(_READ), F.count_if(F.col(RULE).isNull()).alias(_KEPT)
    )
    broken = judged.where(F.col(RULE).isNotNull()).sortWithinPartitions(RULE, REASON, ROW)
    try:
        written = write_table(broken, path)
    except (PySparkException, Py4JJavaError) as error:
        known = unreadable(error, source=table.source)
        if known is None:
            raise
        raise known from error
    read, kept = counted.get[_READ], counted.get[_KEPT]
    if read != kept + written:
        raise ContractError(
            f"{table.source} does not reconcile: of {read} rows read {kept} were kept and "
            f"{written} set aside. It changed while it was read, or a lost task was counted "
            "twice: run the job again."
        )
    found = _breaches(spark.read.parquet(str(path.resolve()))) if written else ()
    return Tally(table.table, table.source, read=read, kept=kept, breaches=found)


def _breaches(broken: DataFrame) -> tuple[Breach, ...]:
    counts = broken.groupBy(RULE).agg(
        F.count(F.lit(1)).alias("rows"), F.min(REASON).alias("example")
    )
    found = [Breach(row[RULE], row["rows"], row["example"]) for row in counts.collect()]
    return tuple(sorted(found, key=lambda breach: (-breach.rows, breach.rule)))


def _report(tallies: Tallies, path: Path) -> None:
    """Add these tables to the report; those of other jobs stay."""
    known = read_document(path, made_by=_MADE_BY) if path.is_file() else {}
    write_document(path, known | {tally.table: tally.to_document() for tally in tallies.tables})


def _complaint(table: Contracted, tally: Tally, path: Path) -> str:
    shown = tally.breaches[:_MOST_NAMED]
    reasons = "; ".join(
        f"{breach.rule} in {breach.rows} of {tally.read} rows, such as "
        f"{breach.example.removeprefix(f'{breach.rule}: ')!r}. {table.ways_out[breach.rule]}"
        for breach in shown
    )
    more = len(tally.breaches) - len(shown)
    rest = f" There are {more} more reasons." if more else ""
    return (
        f"{tally.set_aside} of {tally.read} rows of {tally.source} break their contract: "
        f"{reasons}{rest} All of them stand in {path} with their reasons."
    )
