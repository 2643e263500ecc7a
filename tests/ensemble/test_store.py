import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.ensemble.builders import random_ensemble, strange_rows
from uplift.ensemble import FlatEnsemble
from uplift.ensemble.store import TREES, write_arrays
from uplift.errors import ContractError, UpliftError, VersionMismatchError


@pytest.fixture
def ensemble() -> FlatEnsemble:
    return random_ensemble(np.random.default_rng(4))


def test_what_is_loaded_is_what_was_saved(ensemble: FlatEnsemble, tmp_path: Path) -> None:
    ensemble.save(tmp_path / "e.npz")
    loaded = FlatEnsemble.load(tmp_path / "e.npz")
    assert loaded.digest() == ensemble.digest()
    rows = strange_rows(np.random.default_rng(5), 20, ensemble.n_features)
    assert loaded.raw(rows).tolist() == ensemble.raw(rows).tolist()


def test_the_same_ensemble_is_always_the_same_bytes(
    ensemble: FlatEnsemble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensemble.save(tmp_path / "now.npz")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.setattr("time.time", lambda: 4_000_000_000.0)
    FlatEnsemble.load(tmp_path / "now.npz").save(tmp_path / "later.npz")
    digests = {
        hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        for name in ("now.npz", "later.npz")
    }
    assert len(digests) == 1


def test_numpy_can_read_the_file_without_pickle(ensemble: FlatEnsemble, tmp_path: Path) -> None:
    ensemble.save(tmp_path / "e.npz")
    with np.load(tmp_path / "e.npz", allow_pickle=False) as arrays:
        assert int(arrays["format_version"]) == TREES
        assert arrays["leaf_values"].tolist() == ensemble.leaf_values.tolist()


def test_saving_replaces_a_file_and_leaves_no_other(ensemble: FlatEnsemble, tmp_path: Path) -> None:
    (tmp_path / "e.npz").write_text("something old")
    ensemble.save(tmp_path / "e.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["e.npz"]
    FlatEnsemble.load(tmp_path / "e.npz")


def test_a_file_cut_short_anywhere_is_refused(ensemble: FlatEnsemble, tmp_path: Path) -> None:
    path = tmp_path / "e.npz"
    ensemble.save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ContractError, match=r"e\.npz"):
            FlatEnsemble.load(path)


def test_a_flipped_bit_never_changes_an_answer(ensemble: FlatEnsemble, tmp_path: Path) -> None:
    path = tmp_path / "e.npz"
    ensemble.save(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 13):
        damaged = bytearray(whole)
        damaged[place] ^= 16
        path.write_bytes(damaged)
        try:
            loaded = FlatEnsemble.load(path)
        except UpliftError:
            continue
        assert loaded.digest() == ensemble.digest()  # the bit was in a zip header nobody reads


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x04K\x01.", b"\x93NUMPY", b"id,arm\n1,2\n"])
def test_a_foreign_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "e.npz").write_bytes(content)
    with pytest.raises(ContractError, match=r"e\.npz is no whole ensemble file"):
        FlatEnsemble.load(tmp_path / "e.npz")


def test_a_file_with_pickled_objects_is_never_opened_up(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", format_version=np.array([print], dtype=object))
    with pytest.raises(ContractError, match="is no whole ensemble file"):
        FlatEnsemble.load(tmp_path / "e.npz")


def test_an_archive_of_other_arrays_is_refused(tmp_path: Path) -> None:
    write_arrays(tmp_path / "e.npz", {"weights": np.zeros(3)})
    with pytest.raises(ContractError, match=r"n_features\.npy"):
        FlatEnsemble.load(tmp_path / "e.npz")


def test_arrays_that_are_no_trees_name_the_file(ensemble: FlatEnsemble, tmp_path: Path) -> None:
    arrays = ensemble._contents() | {"feature": np.full(len(ensemble.feature), 99, dtype=np.int32)}
    write_arrays(tmp_path / "e.npz", arrays)
    with pytest.raises(ContractError, match=r"e\.npz holds no usable ensemble: `feature`"):
        FlatEnsemble.load(tmp_path / "e.npz")


def test_another_format_version_is_a_version_mismatch(
    ensemble: FlatEnsemble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uplift.ensemble.store.TREES", 99)
    ensemble.save(tmp_path / "e.npz")
    monkeypatch.undo()
    with pytest.raises(VersionMismatchError, match="has format 99, this software reads 1"):
        FlatEnsemble.load(tmp_path / "e.npz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"e\.npz does not exist"):
        FlatEnsemble.load(tmp_path / "e.npz")


def test_every_entry_carries_the_same_old_time(ensemble: FlatEnsemble, tmp_path: Path) -> None:
    ensemble.save(tmp_path / "e.npz")
    with zipfile.ZipFile(tmp_path / "e.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
