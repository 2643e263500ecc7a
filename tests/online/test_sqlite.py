import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.online.builders import CUSTOMERS, batches, encoder
from uplift.errors import ContractError, VersionMismatchError
from uplift.online.sqlite import SqliteStore, build_store


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(CUSTOMERS), rows_per_batch=st.integers(1, 4))
def test_the_same_customers_in_any_order_and_batching_give_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, order: list[tuple[object, ...]], rows_per_batch: int
) -> None:
    folder = tmp_path_factory.mktemp("store")

    build_store(folder / "a", batches(CUSTOMERS), encoder())
    build_store(folder / "b", batches(order, rows_per_batch), encoder())  # type: ignore[arg-type]

    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


def test_building_returns_the_number_of_customers_and_leaves_one_file(tmp_path: Path) -> None:
    assert build_store(tmp_path / "store", batches(CUSTOMERS), encoder()) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_customer_that_comes_twice_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    twice = batches([*CUSTOMERS, CUSTOMERS[0], CUSTOMERS[1]])

    with pytest.raises(ContractError, match=r"'ann' stands .* 2 times \(2 such customers\)"):
        build_store(tmp_path / "store", twice, encoder())

    assert list(tmp_path.iterdir()) == []


def test_a_failing_source_leaves_the_old_store(tmp_path: Path) -> None:
    build_store(tmp_path / "store", batches(CUSTOMERS), encoder())
    before = (tmp_path / "store").read_bytes()
    incomplete = [batch.drop_columns(["age"]) for batch in batches(CUSTOMERS)]

    with pytest.raises(ContractError, match="features are missing: \\['age'\\]"):
        build_store(tmp_path / "store", incomplete, encoder())

    assert (tmp_path / "store").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_permission_that_is_not_known_is_no_permission(tmp_path: Path) -> None:
    build_store(tmp_path / "store", batches([("eve", None, 20.0, "Ulm")]), encoder())

    found = SqliteStore(tmp_path / "store").get("eve")

    assert found is not None
    assert found.contactable is False


def test_a_missing_store_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"does not exist\. Publish again"):
        SqliteStore(tmp_path / "store")


@pytest.mark.parametrize("content", [b"", b"not a database" * 100])
def test_a_file_that_is_no_store_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "store").write_bytes(content)

    with pytest.raises(ContractError, match="is no feature store"):
        SqliteStore(tmp_path / "store")


def test_a_store_of_another_release_is_refused(tmp_path: Path) -> None:
    build_store(tmp_path / "store", batches(CUSTOMERS), encoder())
    with sqlite3.connect(tmp_path / "store") as connection:
        connection.execute("UPDATE about SET value = '2' WHERE key = 'format'")

    with pytest.raises(VersionMismatchError, match="has format 2, this release reads 1"):
        SqliteStore(tmp_path / "store")


def test_a_closed_store_answers_nobody_in_no_thread(tmp_path: Path) -> None:
    build_store(tmp_path / "store", batches(CUSTOMERS), encoder())
    store = SqliteStore(tmp_path / "store")
    store.close()

    with ThreadPoolExecutor(1) as pool:
        assert isinstance(pool.submit(store.get, "ann").exception(), ContractError)
    with pytest.raises(ContractError, match=r"cannot be read .*closed"):
        store.get("ann")
