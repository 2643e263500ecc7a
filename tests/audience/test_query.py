from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.audience.builders import FACTS
from tests.serving.builders import customers, publish_run, wide
from uplift.audience.query import open_segment, outlook
from uplift.audience.snapshot import Snapshot, current, publish, staging_folder
from uplift.errors import ContractError
from uplift.policy import SEGMENTS

Row = dict[str, float | str | bool | None]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    root = tmp_path_factory.mktemp("published")
    publish_run(root)
    return current(root)


def reachable(segment: str) -> list[Row]:
    """The audience by a second way: from the table in memory, row by row."""
    return [
        row
        for row in wide(customers()).to_pylist()
        if row["segment"] == segment and row["contactable"] and row["reason"] != "holdout"
    ]


def read(snapshot: Snapshot, segment: str) -> pa.Table:
    with open_segment(snapshot, segment) as batches:
        return batches.read_all()


@pytest.mark.parametrize("segment", SEGMENTS)
def test_an_audience_is_the_reachable_part_of_its_segment_best_first(
    snapshot: Snapshot, segment: str
) -> None:
    table = read(snapshot, segment)

    assert table.num_rows > 40
    expected = reachable(segment)
    assert table["unit_id"].to_pylist() == [row["unit_id"] for row in expected]
    assert table["net_value_eur"].to_pylist() == [row["net_value_eur"] for row in expected]


def test_some_customers_of_the_segment_are_held_out_or_silent_and_none_of_them_is_in(
    snapshot: Snapshot,
) -> None:
    left_out = {
        row["reason"] for row in wide(customers()).to_pylist() if row["segment"] == "persuadable"
    } - set(read(snapshot, "persuadable")["reason"].to_pylist())

    assert left_out == {"holdout", "not_contactable"}


def test_columns_keep_their_order_and_what_is_alike_in_all_rows_is_left_out(
    snapshot: Snapshot,
) -> None:
    names = read(snapshot, "persuadable").column_names

    left_out = {"as_of", "model_version", "policy_version", "contactable"}
    assert names == [name for name in wide(customers()).column_names if name not in left_out]


def best_arm(row: Row) -> str | float | bool | None:
    return row["best_coupon"]


def decided_arm(row: Row) -> str | float | bool | None:
    return None if row["decision"] == "no_coupon" else row["decision"]


def sums(rows: list[Row], arm_of: Callable[[Row], object]) -> tuple[int, float, float]:
    sent = [(row, arm_of(row)) for row in rows if arm_of(row) is not None]
    conversions = sum(float(row[f"uplift_{arm}"] or 0) for row, arm in sent)
    profit = sum(
        float(row[f"gain_eur_{arm}"] or 0) - float(row[f"cost_eur_{arm}"] or 0) for row, arm in sent
    )
    return len(sent), conversions, profit


@pytest.mark.parametrize("segment", SEGMENTS)
def test_the_outlook_adds_up_row_by_row(snapshot: Snapshot, segment: str) -> None:
    found = outlook(snapshot, segment)

    rows = reachable(segment)
    assert found.customers == len(rows)
    for expectation, arm_of in [
        (found.as_decided, decided_arm),
        (found.with_best_coupon, best_arm),
    ]:
        offers, conversions, profit = sums(rows, arm_of)
        assert expectation.offers == offers
        assert expectation.incremental_conversions == pytest.approx(conversions, abs=1e-6)
        assert expectation.profit_eur == pytest.approx(profit, abs=1e-6)


def test_an_unknown_segment_lists_the_known_ones(snapshot: Snapshot) -> None:
    with pytest.raises(ContractError, match=r"'loyal'.*'sleeping_dog'.*`export.segment`"):
        read(snapshot, "loyal")


def test_many_files_and_row_groups_keep_the_published_order(tmp_path: Path) -> None:
    n = 50_000
    alike = {"segment": "persuadable", "reason": "net_value", "as_of": "", "contactable": True}
    alike |= {"model_version": "", "policy_version": ""}
    with staging_folder(tmp_path) as folder:
        (folder / "scores").mkdir()
        for number in range(4):
            columns = {name: [value] * n for name, value in alike.items()}
            columns["net_value_eur"] = list(range(-number * n, -number * n - n, -1))
            path = folder / "scores" / f"part-{number:05d}.parquet"
            pq.write_table(pa.table(columns), path, row_group_size=1_000)
        snapshot = publish(tmp_path, folder, FACTS)

    values = read(snapshot, "persuadable")["net_value_eur"].to_pylist()

    assert values == list(range(0, -4 * n, -1))
