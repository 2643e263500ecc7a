from pathlib import Path

import pytest

from uplift.errors import ContractError
from uplift.workspace import Workspace, read_document, write_document


def test_a_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = Workspace(tmp_path).report("experiment")
    write_document(path, {"verdict": "pass", "n": 3})
    assert read_document(path, made_by="check_experiment") == {"n": 3, "verdict": "pass"}
    assert [file.name for file in path.parent.iterdir()] == ["experiment.json"]


def test_the_same_document_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    write_document(one, {"b": 1, "a": 2})
    write_document(two, {"a": 2, "b": 1})
    assert one.read_bytes() == two.read_bytes()


def test_a_missing_document_names_the_job_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"nothing\.json does not exist. Run jobs/train_model"):
        read_document(tmp_path / "nothing.json", made_by="train_model")


def test_a_document_that_is_not_a_number_is_refused_and_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_document(path, {"x": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_document(path, {"x": float("nan")})
    assert read_document(path, made_by="x") == {"x": 1.0}
