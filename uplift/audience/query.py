"""Cut an audience from a published run, without Spark and without loading it whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from uplift.arms import Arms
from uplift.audience.snapshot import Snapshot
from uplift.errors import ContractError
from uplift.policy.assignment import HOLDOUT
from uplift.policy.segments import SEGMENTS

_ROWS_PER_BATCH = 50_000
_SAID_ONCE = ("as_of", "model_version", "policy_version", "contactable")  # alike in every row
_REACHABLE = "segment = $segment AND contactable AND reason <> $holdout"


@dataclass(frozen=True)
class Expectation:
    """What an audience should bring, as far as the model knows.

    Attributes:
        offers: How many of its customers get a coupon.
        incremental_conversions: Conversions beyond those that come anyway.
        profit_eur: Gain less cost.
    """

    offers: int
    incremental_conversions: float
    profit_eur: float


@dataclass(frozen=True)
class Outlook:
    """An audience's size and what it should bring, sent two ways.

    Attributes:
        customers: Rows of the audience.
        as_decided: If each customer gets what the policy decided within its budget.
        with_best_coupon: If each gets the coupon that pays best, whatever the budget.
    """

    customers: int
    as_decided: Expectation
    with_best_coupon: Expectation


@contextmanager
def open_segment(snapshot: Snapshot, segment: str) -> Iterator[pa.RecordBatchReader]:
    """The reachable customers of a segment, most valuable first, in batches.

    Nobody of the holdout, who must stay untouched to measure the policy, and nobody who may not be
    contacted.

    Raises:
        ContractError: There is no such segment.
    """
    with duckdb.connect() as connection:
        # files and rows come in the order they were published in
        rows = _select(connection, snapshot, segment, f"* EXCLUDE ({', '.join(_SAID_ONCE)})")
        yield rows.to_arrow_reader(_ROWS_PER_BATCH)


def outlook(snapshot: Snapshot, segment: str) -> Outlook:
    """What the audience of ``open_segment`` should bring.

    Sums are taken in decimals, which know no order: the same run gives the same digits.
    """
    arms = Arms(snapshot.facts.arms)
    sums = [_sums(arms, column) for column in ("decision", "best_coupon")]
    with duckdb.connect() as connection:
        totals = _select(connection, snapshot, segment, ", ".join(["count(*)", *sums]))
        customers, *parts = totals.fetchall()[0]
    as_decided, best = (
        Expectation(int(offers), round(float(conversions), 6), round(float(profit), 6))
        for offers, conversions, profit in (parts[:3], parts[3:])
    )
    return Outlook(int(customers), as_decided=as_decided, with_best_coupon=best)


def _select(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, segment: str, what: str
) -> duckdb.DuckDBPyRelation:
    if segment not in SEGMENTS:
        raise ContractError(
            f"unknown segment {segment!r}; run {snapshot.run_id} knows {list(SEGMENTS)}. Correct "
            "`export.segment`."
        )
    return connection.sql(
        f"SELECT {what} FROM read_parquet($files) WHERE {_REACHABLE}",
        params={
            "files": [str(path) for path in snapshot.scores],
            "segment": segment,
            "holdout": HOLDOUT,
        },
    )


def _sums(arms: Arms, column: str) -> str:
    """Offers, incremental conversions and profit if each row gets the arm named in ``column``."""
    uplift = _by_arm(arms, column, "uplift_{slug}")
    profit = _by_arm(arms, column, "gain_eur_{slug} - cost_eur_{slug}")
    exact = "coalesce(sum(CAST({value} AS DECIMAL(38, 12))), 0)"
    is_offer = f"{column} IN ({', '.join(map(_quoted, arms.treatments))})"
    return ", ".join(
        [
            f"count(*) FILTER ({is_offer})",
            exact.format(value=uplift),
            exact.format(value=profit),
        ]
    )


def _by_arm(arms: Arms, column: str, formula: str) -> str:
    cases = " ".join(
        f"WHEN {_quoted(name)} THEN {formula.format(slug=slug)}"
        for name, slug in zip(arms.treatments, arms.slugs[1:], strict=True)
    )
    return f"(CASE {column} {cases} ELSE 0 END)"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
