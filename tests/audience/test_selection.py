"""Every restriction against the same rows, filtered one by one in plain Python."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audience.builders import FACTS
from tests.serving.builders import customers, publish_run, wide
from uplift.audience.selection import cut
from uplift.audience.snapshot import Snapshot, publish, staging_folder
from uplift.audience.source import Source, opened
from uplift.config import Audience, OneOf, Range
from uplift.errors import ContractError
from uplift.policy import SEGMENTS

Row = dict[str, str | float | bool | None]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return publish_run(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def attributes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Age and city of all customers but the last ten."""
    path = tmp_path_factory.mktemp("attributes") / "customers.parquet"
    pq.write_table(customers().select(["unit_id", "age", "city"]).slice(0, 290), path)
    return path


def chosen(source: Source, audience: Audience) -> list[str]:
    with opened(source) as connection:
        found = cut(connection, source, audience)
        query = f"SELECT unit_id FROM {found.table} {found.order}"
        return [row[0] for row in connection.execute(query, dict(found.parameters)).fetchall()]


def everybody() -> list[Row]:
    """All who may be reached, in the published order, with age and city of the first 290."""
    rows = wide(customers()).to_pylist()
    known = {row["unit_id"]: row for row in customers().to_pylist()[:290]}
    for row in rows:
        about = known.get(row["unit_id"], {})
        row.update(age=about.get("age"), city=about.get("city"))
    return sorted(rows, key=place)


def place(row: Row) -> tuple[int, float, str]:
    return (
        SEGMENTS.index(str(row["segment"])),
        -float(row["net_value_eur"] or 0),
        str(row["unit_id"]),
    )


def plain(audience: Audience, suppressed: tuple[str, ...] = ()) -> list[str]:
    """The same audience, told row by row."""
    rows = [row for row in everybody() if row["contactable"] and row["unit_id"] not in suppressed]
    is_control = audience.group == "control"
    rows = [row for row in rows if (row["reason"] == "holdout") == is_control]
    if audience.segments:
        rows = [row for row in rows if row["segment"] in audience.segments]
    if audience.coupons:
        rows = [row for row in rows if row["decision"] in audience.coupons]
    rows = [row for row in rows if within(best(row, "uplift"), audience.uplift)]
    rows = [row for row in rows if within(float(row["net_value_eur"] or 0), audience.net_value_eur)]
    for column, condition in audience.where.items():
        if isinstance(condition, OneOf):
            rows = [row for row in rows if row[column] in condition.any_of]
        else:
            rows = [row for row in rows if within(row[column], condition)]
    if audience.budget_eur is not None:
        payable = sorted(
            (row for row in rows if row["best_coupon"]),
            key=lambda row: (-best(row, "gain_eur") / best(row, "cost_eur"), row["unit_id"]),
        )
        spent, kept = Decimal(0), []
        for row in payable:
            spent += Decimal(f"{best(row, 'cost_eur'):.9f}")
            if spent > audience.budget_eur:
                break
            kept.append(row["unit_id"])
        rows = [row for row in rows if row["unit_id"] in kept]
    if audience.top_n is not None:
        top = sorted(rows, key=lambda row: (-float(row["net_value_eur"] or 0), row["unit_id"]))
        ids = {row["unit_id"] for row in top[: audience.top_n]}
        rows = [row for row in rows if row["unit_id"] in ids]
    return [str(row["unit_id"]) for row in rows]


def best(row: Row, what: str) -> float:
    arm = row["best_coupon"]
    if arm is None:
        return max(float(row[f"{what}_{slug}"] or 0) for slug in ("coupon_5", "coupon_10"))
    return float(row[f"{what}_{arm}"] or 0)


def within(value: object, limits: Range) -> bool:
    if limits.min is None and limits.max is None:
        return True
    if not isinstance(value, float):
        return False
    low = limits.min if limits.min is not None else -float("inf")
    high = limits.max if limits.max is not None else float("inf")
    return low <= value <= high


CASES = {
    "everybody": Audience(),
    "two segments": Audience(segments=("sleeping_dog", "persuadable")),
    "who gets the larger coupon": Audience(coupons=("coupon_10",)),
    "a range of effects": Audience(uplift=Range(min=0.01, max=0.2)),
    "whom a coupon harms": Audience(uplift=Range(max=-0.001)),
    "a floor of value": Audience(net_value_eur=Range(min=1.0)),
    "a city": Audience(where={"city": OneOf(any_of=("Ulm", "Atlantis"))}),
    "an age, in a city": Audience(
        where={"age": Range(min=30, max=50), "city": OneOf(any_of=("Bonn",))}
    ),
    "a column of the run": Audience(where={"decile": OneOf(any_of=(1, 2))}),
    "the best": Audience(top_n=25),
    "the best of a segment": Audience(segments=("sure_thing",), top_n=7),
    "what a budget pays for": Audience(budget_eur=40.0),
    "what a budget pays for, at most some": Audience(budget_eur=40.0, top_n=5),
    "nothing to spend": Audience(budget_eur=0.0),
    "more to spend than needed": Audience(budget_eur=1e6),
    "the control group": Audience(group="control"),
    "the control group of a segment": Audience(group="control", segments=("persuadable",)),
}


@pytest.mark.parametrize("name", CASES)
def test_an_audience_holds_who_meets_all_its_restrictions(
    snapshot: Snapshot, attributes: Path, name: str
) -> None:
    found = chosen(Source(snapshot, attributes), CASES[name])
    assert found == plain(CASES[name])
    assert len(found) < 300


@settings(max_examples=40, deadline=None)
@given(
    segments=st.sets(st.sampled_from(SEGMENTS)),
    low=st.none() | st.floats(-5, 5),
    budget=st.none() | st.floats(0, 300),
    top_n=st.none() | st.integers(1, 300),
    ages=st.none() | st.floats(18, 80),
    suppressed=st.sets(st.integers(0, 299), max_size=40),
)
def test_restrictions_hold_together(
    snapshot: Snapshot,
    attributes: Path,
    segments: set[str],
    low: float | None,
    budget: float | None,
    top_n: int | None,
    ages: float | None,
    suppressed: set[int],
) -> None:
    audience = Audience.model_validate(
        {
            "segments": sorted(segments),
            "net_value_eur": {"min": low},
            "where": {} if ages is None else {"age": {"min": ages}},
            "budget_eur": budget,
            "top_n": top_n,
        }
    )
    ids = tuple(f"u{i:03d}" for i in suppressed)
    found = chosen(Source(snapshot, attributes, suppressed=ids), audience)
    assert found == plain(audience, ids)


HOSTILE = ("'; DROP TABLE run; --", '" OR 1=1 --', "unit_id) FROM run --", "../../etc/passwd")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_value_selects_nobody_and_does_nothing(
    snapshot: Snapshot, attributes: Path, text: str
) -> None:
    audience = Audience(where={"city": OneOf(any_of=(text,))})
    assert chosen(Source(snapshot, attributes, suppressed=(text,)), audience) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_column_is_no_column(snapshot: Snapshot, text: str) -> None:
    with pytest.raises(ContractError, match="1 of 1 columns in `where` are unknown"):
        chosen(Source(snapshot), Audience(where={text: OneOf(any_of=("x",))}))


def test_an_unknown_column_names_the_nearest(snapshot: Snapshot, attributes: Path) -> None:
    audience = Audience(where={"citty": OneOf(any_of=("Ulm",)), "age": Range(min=1)})
    with pytest.raises(ContractError, match=r"1 of 2 .*'citty' \(did you mean 'city'\?\)"):
        chosen(Source(snapshot, attributes), audience)


def test_an_unknown_coupon_lists_the_arms(snapshot: Snapshot) -> None:
    with pytest.raises(ContractError, match=r"\['coupon_7'\] \(1 of 2.*'coupon_5'"):
        chosen(Source(snapshot), Audience(coupons=("coupon_7", "coupon_5")))


@pytest.mark.parametrize(
    ("condition", "column", "message"),
    [
        (Range(min=1.0), "city", "'city' holds text, which has no range"),
        (OneOf(any_of=(1.0, "Ulm")), "city", r"'city' holds text, 1.0 \(1 of 2 values\) is none"),
        (OneOf(any_of=("old",)), "age", "'age' holds double, 'old'"),
    ],
)
def test_a_condition_of_another_kind_than_its_column_is_refused(
    snapshot: Snapshot,
    attributes: Path,
    condition: Range | OneOf,
    column: str,
    message: str,
) -> None:
    with pytest.raises(ContractError, match=message):
        chosen(Source(snapshot, attributes), Audience(where={column: condition}))


def test_many_files_and_row_groups_keep_the_published_order(tmp_path: Path) -> None:
    n = 50_000
    alike = {"segment": "persuadable", "reason": "net_value", "contactable": True}
    alike |= {"best_coupon": "coupon_5", "decision": "coupon_5", "uplift_coupon_5": 0.1}
    with staging_folder(tmp_path) as folder:
        (folder / "scores").mkdir()
        for number in range(4):
            columns = {name: [value] * n for name, value in alike.items()}
            columns["unit_id"] = [f"{number}-{i}" for i in range(n)]
            columns["net_value_eur"] = list(range(-number * n, -number * n - n, -1))
            path = folder / "scores" / f"part-{number:05d}.parquet"
            pq.write_table(pa.table(columns), path, row_group_size=1_000)
        snapshot = publish(tmp_path, folder, FACTS)

    found = chosen(Source(snapshot), Audience())

    assert found == [f"{number}-{i}" for number in range(4) for i in range(n)]


BROKEN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "none.parquet", "cannot be read"),
    "without ids": (
        lambda folder: _table(folder, {"id": ["a"], "city": ["Ulm"]}),
        r"have no column 'unit_id', only \['id', 'city'\]",
    ),
    "with a customer twice": (
        lambda folder: _table(folder, {"unit_id": ["a", "b", "a"], "city": ["Ulm"] * 3}),
        "hold 1 customers more than once, such as 'a'",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_attributes_that_cannot_be_joined_are_refused(
    snapshot: Snapshot, tmp_path: Path, name: str
) -> None:
    make, message = BROKEN[name]
    with pytest.raises(ContractError, match=message):
        chosen(Source(snapshot, make(tmp_path)), Audience())


def test_attributes_may_be_csv_and_may_know_fewer_customers(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("unit_id,tier\nu001,gold\nu002,silver\n")
    everyone = chosen(Source(snapshot, path), Audience())
    assert everyone == plain(Audience())
    gold = chosen(Source(snapshot, path), Audience(where={"tier": OneOf(any_of=("gold",))}))
    assert set(gold) <= {"u001"}


def _table(folder: Path, columns: dict[str, list[str]]) -> Path:
    path = folder / "attributes.parquet"
    pq.write_table(pa.table(columns), path)
    return path
