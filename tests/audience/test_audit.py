import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from uplift.audience import audit
from uplift.errors import ContractError

AT = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "new" / "audit.jsonl"
    for number in range(4):
        audit.record(path, "export.written", by="jane", at=AT, rows=number)
    return path


def test_entries_come_back_in_order_each_sealing_the_last(log: Path) -> None:
    found = audit.entries(log)
    assert [entry["rows"] for entry in found] == [0, 1, 2, 3]
    assert [entry["previous"] for entry in found[1:]] == [entry["digest"] for entry in found[:-1]]
    assert audit.entries(log.with_name("none")) == []


def test_a_changed_entry_is_found_by_its_number(log: Path) -> None:
    lines = log.read_text().splitlines()
    lines[1] = lines[1].replace('"rows": 1', '"rows": 9')
    log.write_text("\n".join(lines) + "\n")
    with pytest.raises(ContractError, match="line 2: the entry does not fit"):
        audit.entries(log)


def test_an_entry_sealed_anew_does_not_fit_the_next(log: Path) -> None:
    lines = log.read_text().splitlines()
    entry = json.loads(lines[1])
    other = log.with_name("other.jsonl")
    other.write_text(lines[0] + "\n")
    audit.record(other, "export.written", by="jane", at=AT, rows=9)
    lines[1] = other.read_text().splitlines()[1]
    assert json.loads(lines[1])["previous"] == entry["previous"]
    log.write_text("\n".join(lines) + "\n")
    with pytest.raises(ContractError, match="line 3"):
        audit.entries(log)


def test_a_missing_entry_is_found(log: Path) -> None:
    lines = log.read_text().splitlines()
    log.write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    with pytest.raises(ContractError, match="line 2"):
        audit.entries(log)


def test_after_a_torn_line_nothing_is_added(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-20])
    with pytest.raises(ContractError, match="is torn; nothing can be added"):
        audit.record(log, "export.written", by="jane", at=AT)
