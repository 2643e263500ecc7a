from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from uplift.audience.history import history, release, run_before, snapshot_before
from uplift.audience.manifest import Facts
from uplift.audience.snapshot import current, place, point_to, run_ids, staging_folder
from uplift.errors import ContractError

DAY = datetime(2026, 6, 1, tzinfo=UTC)


def place_day(root: Path, day: int) -> str:
    """A run of one file."""
    with staging_folder(root) as folder:
        (folder / "policy.json").write_text(f'{{"day": {day}}}')
        facts = Facts("coupon", DAY + timedelta(days=day), "m", "p", ("a", "b"), {}, {}, {})
        return place(root, folder, facts).run_id


def nights(root: Path, n: int, *, keep: int = 10) -> list[str]:
    runs = []
    for day in range(n):
        runs.append(place_day(root, day))
        release(root, runs[-1], keep=keep)
    return runs


def test_a_placed_run_is_nobodys_until_it_is_released(tmp_path: Path) -> None:
    first, second = nights(tmp_path, 1)[0], place_day(tmp_path, 1)
    assert current(tmp_path).run_id == first
    assert release(tmp_path, second, keep=10) == []
    assert current(tmp_path).run_id == second


def test_the_last_runs_stay_and_the_others_go(tmp_path: Path) -> None:
    runs = nights(tmp_path, 5, keep=3)
    assert run_ids(tmp_path) == history(tmp_path) == runs[2:]


def test_what_readers_used_before_stays_even_if_one_run_is_kept(tmp_path: Path) -> None:
    runs = nights(tmp_path, 4, keep=1)
    assert run_ids(tmp_path) == runs[2:]


def test_a_run_that_was_placed_and_never_released_goes_with_the_next(tmp_path: Path) -> None:
    nights(tmp_path, 1)
    lost = place_day(tmp_path, 1)
    last = place_day(tmp_path, 2)
    assert release(tmp_path, last, keep=5) == [lost]


def test_the_current_run_stays_however_old_after_a_roll_back(tmp_path: Path) -> None:
    runs = nights(tmp_path, 4)
    point_to(tmp_path, runs[0])
    newest = place_day(tmp_path, 9)

    release(tmp_path, newest, keep=1)

    assert run_ids(tmp_path) == [runs[0], newest]


def test_rolling_back_goes_to_the_run_before_and_then_further(tmp_path: Path) -> None:
    runs = nights(tmp_path, 3)
    for expected in (runs[1], runs[0]):
        _, to = run_before(tmp_path)
        assert to == expected
        point_to(tmp_path, to)
    with pytest.raises(ContractError, match=r"no run that readers used before .* is kept"):
        run_before(tmp_path)


def test_releasing_again_after_a_roll_back_puts_the_newer_run_last(tmp_path: Path) -> None:
    runs = nights(tmp_path, 3)
    point_to(tmp_path, runs[1])
    release(tmp_path, runs[2], keep=10)
    assert history(tmp_path) == [runs[0], runs[1], runs[2]]


def test_a_damaged_run_is_not_rolled_back_to(tmp_path: Path) -> None:
    runs = nights(tmp_path, 2)
    (tmp_path / "runs" / runs[0] / "policy.json").write_text("{}")
    with pytest.raises(ContractError, match="damaged"):
        run_before(tmp_path)


@pytest.mark.parametrize("name", ["20260601-000000000000", "../etc", ""])
def test_a_run_that_is_not_kept_is_refused_by_name(tmp_path: Path, name: str) -> None:
    nights(tmp_path, 1)
    with pytest.raises(ContractError, match="is not kept"):
        run_before(tmp_path, name)


def test_the_run_before_tonight_is_that_of_the_latest_earlier_day(tmp_path: Path) -> None:
    runs = nights(tmp_path, 3)
    before = snapshot_before(tmp_path, DAY + timedelta(days=2))
    assert before is not None
    assert before.run_id == runs[1]
    assert snapshot_before(tmp_path, DAY) is None
