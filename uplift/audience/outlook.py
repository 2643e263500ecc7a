"""What an audience should bring, before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from uplift.arms import Arms
from uplift.audience.selection import Cut, by_arm
from uplift.audience.source import KEY, RUN, column_types, text


@dataclass(frozen=True)
class Expectation:
    """What an audience should bring, as far as the model knows.

    Attributes:
        offers: How many of its customers get a coupon.
        incremental_conversions: Conversions beyond those that come anyway.
        cost_eur: Expected spend.
        profit_eur: Gain less cost.
    """

    offers: int
    incremental_conversions: float
    cost_eur: float
    profit_eur: float


@dataclass(frozen=True)
class Outlook:
    """An audience's size and what it should bring, sent two ways.

    Attributes:
        customers: Rows of the audience.
        as_decided: If each customer gets what the policy decided within its budget.
        with_best_coupon: If each gets the coupon that pays best, whatever the budget.
        overlap: Customers who are in each of some earlier exports too, by export id.
    """

    customers: int
    as_decided: Expectation
    with_best_coupon: Expectation
    overlap: Mapping[str, int]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Outlook":
        """The outlook that ``asdict`` took apart."""
        return cls(
            customers=document["customers"],
            as_decided=Expectation(**document["as_decided"]),
            with_best_coupon=Expectation(**document["with_best_coupon"]),
            overlap=document["overlap"],
        )


def outlook(
    connection: duckdb.DuckDBPyConnection,
    chosen: Cut,
    arms: Arms,
    *,
    members: Sequence[tuple[str, str]] = (),
) -> Outlook:
    """Size, expectation and overlap of an audience, in one pass.

    Sums are taken in decimals, which know no order: the same run gives the same digits.

    Args:
        connection: From ``opened(source)``.
        chosen: The audience.
        arms: Of the run.
        members: Export id and view of its customers, for each export to compare with.
    """
    sums = [part for column in ("decision", "best_coupon") for part in _sums(arms, column)]
    shared = [f"count(*) FILTER ({KEY} IN (SELECT {KEY} FROM {view}))" for _, view in members]
    found = connection.execute(
        f"SELECT {', '.join(['count(*)', *sums, *shared])} FROM {chosen.table}",
        dict(chosen.parameters),
    ).fetchone()
    assert found is not None  # an aggregate has one row
    n = len(sums) // 2
    as_decided, best = (
        Expectation(int(offers), *(round(float(value), 6) for value in amounts))
        for offers, *amounts in (found[1 : 1 + n], found[1 + n : 1 + 2 * n])
    )
    overlap = {name: int(n) for (name, _), n in zip(members, found[1 + 2 * n :], strict=True)}
    return Outlook(int(found[0]), as_decided, best, overlap)


def strong_evidence(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Customers of each segment whose evidence is strong; empty where the run says nothing of it.

    Args:
        connection: From ``opened(source)``.
    """
    if "evidence" not in column_types(connection):
        return {}
    rows = connection.execute(
        f"SELECT segment, count(*) FILTER (evidence = 'strong') FROM {RUN} GROUP BY segment"
    )
    return {str(segment): int(n) for segment, n in rows.fetchall()}


def _sums(arms: Arms, column: str) -> list[str]:
    """Offers, incremental conversions, cost and profit if each gets the arm in ``column``."""
    exact = "coalesce(sum(CAST({value} AS DECIMAL(38, 12))), 0)"
    formulas = ("uplift_{slug}", "cost_eur_{slug}", "gain_eur_{slug} - cost_eur_{slug}")
    is_offer = f"{column} IN ({', '.join(map(text, arms.treatments))})"
    return [
        f"count(*) FILTER ({is_offer})",
        *(exact.format(value=by_arm(arms, column, formula)) for formula in formulas),
    ]
