"""What every feature store promises. A new one adds a class with its own ``open`` and inherits."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.online.builders import CUSTOMERS, Customer, batches, encoder
from uplift.online.sqlite import SqliteStore, build_store
from uplift.online.store import FeatureStore


class StoreContract(ABC):
    """Inherit, and say how a store of these customers is opened."""

    @abstractmethod
    def open(self, folder: Path, customers: tuple[Customer, ...]) -> FeatureStore: ...

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[FeatureStore]:
        store = self.open(tmp_path, CUSTOMERS)
        yield store
        store.close()

    def test_names_the_features_in_the_order_of_the_arrays(self, store: FeatureStore) -> None:
        assert store.names == ("age", "city")

    def test_gives_the_encoded_features_to_the_last_bit(self, store: FeatureStore) -> None:
        for unit_id, _, age, city in CUSTOMERS:
            found = store.get(unit_id)
            assert found is not None
            expected = encoder().encode_one({"age": age, "city": city})[0]
            assert found.features.tobytes() == expected.tobytes()
            assert found.features.dtype == np.float64

    def test_knows_who_may_be_contacted(self, store: FeatureStore) -> None:
        found = {customer[0]: store.get(customer[0]) for customer in CUSTOMERS}
        assert {name: c.contactable for name, c in found.items() if c} == {
            "ann": True,
            "bob": False,
            "Zoë O'Neil; --": True,
            "007": True,
        }

    @pytest.mark.parametrize("stranger", ["", "ANN", "ann ", "7", "' OR 1=1 --", "a\0nn"])
    def test_an_unknown_customer_is_none(self, store: FeatureStore, stranger: str) -> None:
        assert store.get(stranger) is None

    def test_nobody_can_change_what_others_will_read(self, store: FeatureStore) -> None:
        found = store.get("ann")
        assert found is not None
        with pytest.raises(ValueError, match="read-only"):
            found.features[0] = 99.0

    def test_answers_many_threads_at_once(self, store: FeatureStore) -> None:
        together = threading.Barrier(8)

        def ages(_: int) -> set[float]:
            together.wait()
            return {c.features[0] for _ in range(50) if (c := store.get("ann"))}

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ages, range(8))) == [{31.0}] * 8

    def test_a_second_close_does_nothing(self, store: FeatureStore) -> None:
        store.close()
        store.close()

    def test_an_empty_store_knows_nobody(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, ())
        assert store.get("ann") is None
        store.close()


class TestSqlite(StoreContract):
    def open(self, folder: Path, customers: tuple[Customer, ...]) -> FeatureStore:
        rows = batches(customers) if customers else []
        build_store(folder / "customers.sqlite", rows, encoder())
        return SqliteStore(folder / "customers.sqlite")
