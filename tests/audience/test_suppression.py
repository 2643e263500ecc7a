import os
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest

from uplift.audience.suppression import Suppressions
from uplift.errors import ContractError

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_who_is_added_is_left_alone_until_removed(tmp_path: Path) -> None:
    list_ = Suppressions(tmp_path / "new" / "suppressions.sqlite")
    assert (list_.unit_ids(), list_.holds("a")) == ((), False)
    assert list_.add(["b", "a", "a"], since=NOW, reason="asked") == 2
    assert list_.add(["a"], since=NOW, reason="asked again") == 0
    assert (list_.unit_ids(), list_.holds("a")) == (("a", "b"), True)
    assert list_.remove(["a", "c"]) == 1
    assert (list_.unit_ids(), list_.holds("a")) == (("b",), False)


def test_hostile_ids_are_ids(tmp_path: Path) -> None:
    list_ = Suppressions(tmp_path / "list.sqlite")
    ids = ["'; DROP TABLE suppressed; --", "ümläut", "💶", ""]
    list_.add(ids, since=NOW, reason="asked")
    assert set(list_.unit_ids()) == set(ids)


def test_too_many_at_a_time_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="5001 ids in one call; send at most 5000"):
        Suppressions(tmp_path / "x").add(["a"] * 5001, since=NOW, reason="asked")


def add_many(path: Path, name: str) -> None:
    for number in range(50):
        Suppressions(path).add([f"{name}{number}"], since=NOW, reason="asked")


def test_two_processes_lose_nobody(tmp_path: Path) -> None:
    path = tmp_path / "list.sqlite"
    spawn = get_context("spawn")
    both = [spawn.Process(target=add_many, args=(path, name)) for name in "ab"]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert len(Suppressions(path).unit_ids()) == 100


def test_a_change_within_a_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "suppressions.sqlite"
    told, elsewhere = Suppressions(path), Suppressions(path)
    assert told.among(["a", "b"]) == frozenset()
    elsewhere.add(["a"], since=datetime.now(UTC), reason="asked")
    stamp = path.stat().st_mtime_ns
    assert told.among(["a", "b"]) == {"a"}
    elsewhere.add(["b"], since=datetime.now(UTC), reason="asked")
    os.utime(path, ns=(stamp, stamp))
    assert told.among(["a", "b"]) == {"a", "b"}


def test_a_list_that_has_not_changed_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "suppressions.sqlite"
    told = Suppressions(path)
    told.add(["a"], since=datetime.now(UTC), reason="asked")
    os.utime(path, ns=(1, 1))
    assert told.among(["a"]) == {"a"}
    monkeypatch.setattr(told, "unit_ids", lambda: pytest.fail("read again"))
    assert told.among(["a", "b"]) == {"a"}


def test_a_damaged_list_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "suppressions.sqlite"
    path.write_bytes(b"no database, " * 100)
    with pytest.raises(ContractError, match="cannot be read"):
        Suppressions(path).among(["a"])
