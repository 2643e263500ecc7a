import hashlib
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audience.builders import FACTS, FILES, publish_files
from uplift.audience.manifest import MANIFEST, Manifest
from uplift.audience.snapshot import current, publish, staging_folder
from uplift.errors import ContractError, ModelNotReadyError, VersionMismatchError


def test_a_published_run_is_current_whole_and_says_what_it_holds(tmp_path: Path) -> None:
    published = publish_files(tmp_path)

    snapshot = current(tmp_path)

    assert snapshot == published
    assert snapshot.facts == FACTS
    assert [path.name for path in snapshot.scores] == ["part-00000.parquet"]
    assert snapshot.policy.read_bytes() == b"[]"
    snapshot.verify()


def test_a_run_is_named_for_its_day_and_the_digest_of_its_manifest(tmp_path: Path) -> None:
    snapshot = publish_files(tmp_path)

    digest = hashlib.sha256((snapshot.folder / MANIFEST).read_bytes()).hexdigest()

    assert snapshot.run_id == f"20260601-{digest[:12]}"
    assert snapshot.manifest.files["policy.json"].sha256 == hashlib.sha256(b"[]").hexdigest()


def test_the_hour_zone_of_as_of_does_not_change_the_name() -> None:
    here = Manifest(FACTS, {})
    there = FACTS.as_of.astimezone(timezone(timedelta(hours=-5)))  # still the evening before there

    assert Manifest(replace(FACTS, as_of=there), {}).run_id == here.run_id


def test_the_same_content_published_again_is_the_same_run(tmp_path: Path) -> None:
    first = publish_files(tmp_path)
    before = (first.folder / "policy.json").stat()

    again = publish_files(tmp_path)

    assert again.run_id == first.run_id
    assert (again.folder / "policy.json").stat().st_ino == before.st_ino
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_other_content_is_another_run_and_the_old_one_stays(tmp_path: Path) -> None:
    old = publish_files(tmp_path)

    new = publish_files(tmp_path, {**FILES, "policy.json": b"[1]"})

    assert current(tmp_path).run_id == new.run_id != old.run_id
    old.verify()


def test_publishing_old_content_again_points_back_to_it(tmp_path: Path) -> None:
    old = publish_files(tmp_path)
    publish_files(tmp_path, {**FILES, "policy.json": b"[1]"})

    publish_files(tmp_path)

    assert current(tmp_path).run_id == old.run_id


def test_a_damaged_run_is_replaced_when_its_content_is_published_again(tmp_path: Path) -> None:
    damaged = publish_files(tmp_path)
    (damaged.folder / "policy.json").write_bytes(b"{}")

    publish_files(tmp_path)

    current(tmp_path).verify()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "CURRENT", "runs"]


@settings(max_examples=50, deadline=None)
@given(name=st.sampled_from(sorted(FILES)), place=st.integers(0, 3), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_found_and_its_file_named(
    tmp_path_factory: pytest.TempPathFactory, name: str, place: int, bit: int
) -> None:
    snapshot = publish_files(tmp_path_factory.mktemp("published"))
    content = bytearray((snapshot.folder / name).read_bytes())
    content[place % len(content)] ^= 1 << bit
    (snapshot.folder / name).write_bytes(content)

    with pytest.raises(ContractError, match=rf"1 of 3 files: {name} has changed"):
        snapshot.verify()


def test_files_cut_short_missing_or_foreign_are_all_named_at_once(tmp_path: Path) -> None:
    snapshot = publish_files(tmp_path)
    (snapshot.folder / "policy.json").write_bytes(b"[")
    (snapshot.folder / "model/model.json").unlink()
    (snapshot.folder / "scores/part-00001.parquet").write_bytes(b"stray")

    with pytest.raises(ContractError) as caught:
        snapshot.verify()

    assert "damaged in 3 of 3 files" in str(caught.value)
    assert "model/model.json is missing; policy.json has 1 of 2 bytes" in str(caught.value)
    assert "scores/part-00001.parquet is not in the manifest" in str(caught.value)


def test_a_manifest_that_was_edited_is_refused(tmp_path: Path) -> None:
    manifest = publish_files(tmp_path).folder / MANIFEST
    manifest.write_text(manifest.read_text().replace('"offers": 1', '"offers": 2'))

    with pytest.raises(ContractError, match="changed after publishing"):
        current(tmp_path)


def test_a_run_without_manifest_is_refused(tmp_path: Path) -> None:
    (publish_files(tmp_path).folder / MANIFEST).unlink()

    with pytest.raises(ContractError, match=r"MANIFEST\.json is missing"):
        current(tmp_path)


def test_a_manifest_of_another_release_is_refused(tmp_path: Path) -> None:
    folder = publish_files(tmp_path).folder
    later = (folder / MANIFEST).read_bytes().replace(b'"format": 1', b'"format": 2')
    (folder / MANIFEST).write_bytes(later)
    run_id = f"20260601-{hashlib.sha256(later).hexdigest()[:12]}"
    folder.rename(folder.with_name(run_id))
    (tmp_path / "CURRENT").write_text(run_id)

    with pytest.raises(VersionMismatchError, match="has format 2, this release reads 1"):
        current(tmp_path)


@pytest.mark.parametrize("pointer", ["", "latest", "../../etc", "20260601-0123456789AB"])
def test_a_pointer_that_holds_no_run_is_refused(tmp_path: Path, pointer: str) -> None:
    publish_files(tmp_path)
    (tmp_path / "CURRENT").write_text(pointer)

    with pytest.raises(ContractError, match="which is no run"):
        current(tmp_path)


def test_before_the_first_run_the_reader_learns_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelNotReadyError, match=r"make demo.*jobs\.publish_snapshot"):
        current(tmp_path / "published")


def test_two_publishers_do_not_work_at_once(tmp_path: Path) -> None:
    with (
        staging_folder(tmp_path),
        pytest.raises(ContractError, match="another job is publishing"),
        staging_folder(tmp_path),
    ):
        pass


def test_a_failure_while_filling_leaves_the_old_run_and_no_trace(tmp_path: Path) -> None:
    old = publish_files(tmp_path)

    with pytest.raises(FileNotFoundError), staging_folder(tmp_path) as folder:
        publish(tmp_path, folder / "never filled", FACTS)

    assert current(tmp_path) == old
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "CURRENT", "runs"]


def test_publishing_dates_the_run_by_its_features_not_by_the_clock(tmp_path: Path) -> None:
    facts = replace(FACTS, as_of=datetime(1999, 12, 31, 23, tzinfo=UTC))

    with staging_folder(tmp_path) as folder:
        assert publish(tmp_path, folder, facts).run_id.startswith("19991231-")


KILL_AT_LINES = """
import os, signal, sys
from pathlib import Path
from tests.audience.builders import FILES, publish_files
from uplift.audience import manifest, snapshot

root, step, traced = Path(sys.argv[1]), int(sys.argv[2]), {manifest.__file__, snapshot.__file__}
old = publish_files(root / "pristine")
new = {**FILES, "policy.json": b"[1]"}
new_id = publish_files(root / "other", new).run_id

def killed_at(line, where):
    left = line
    def trace(frame, event, argument):
        nonlocal left
        if frame.f_code.co_filename not in traced:
            return None
        if event == "line":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    child = os.fork()
    if child == 0:
        sys.settrace(trace)
        publish_files(where, new)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

line, seen = 0, set()
while True:
    where = root / f"at-{line}"
    publish_files(where)
    was_killed = killed_at(line, where)
    found = snapshot.current(where)
    found.verify()
    assert found.run_id in {old.run_id, new_id}, (line, found.run_id)
    assert was_killed or found.run_id == new_id
    seen.add((was_killed, found.run_id))
    publish_files(where, new)
    assert snapshot.current(where).run_id == new_id
    snapshot.current(where).verify()
    assert sorted(p.name for p in where.iterdir()) == [".lock", "CURRENT", "runs"], line
    assert len(list((where / "runs").iterdir())) == 2, line
    if not was_killed:
        break
    line += step
assert seen == {(True, old.run_id), (True, new_id), (False, new_id)}
print(line)
"""


@pytest.mark.parametrize(
    "step",
    [pytest.param(9, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.long)],
)
def test_killed_at_any_line_readers_see_a_whole_run_and_one_rerun_converges(
    tmp_path: Path, step: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILL_AT_LINES, str(tmp_path), str(step)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(tmp_path)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
