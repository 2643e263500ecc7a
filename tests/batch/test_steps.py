import os
from collections.abc import Callable
from pathlib import Path

import pytest

from uplift.batch.digests import content_digest, look_digest
from uplift.batch.progress import Past, line, seconds_left, shown
from uplift.batch.steps import Receipts, Step, selected
from uplift.batch.walk import Done, forecast, walk
from uplift.errors import ConfigError


class Kitchen:
    """Two steps over three files: chop makes the chopped of the raw, cook the meal of that."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.raw, self.chopped, self.meal = (folder / n for n in ("raw", "chopped", "meal"))
        self.raw.write_text("leek")
        self.settings: dict[str, object] = {"salt": 1}
        self.code = "v1"
        self.is_served = True
        self.ran: list[str] = []
        self.cook: Callable[[], None] = lambda: self.write("cook", self.meal, "soup")
        self.receipts = Receipts(folder / "receipts")

    def write(self, name: str, path: Path, text: str) -> None:
        self.ran.append(name)
        path.write_text(text)

    def steps(self) -> tuple[Step, ...]:
        return (
            Step(
                "chop",
                lambda: self.write("chop", self.chopped, self.raw.read_text().strip()),
                settings=lambda: self.settings,
                watches=(str(self.raw),),
                writes=(self.chopped,),
            ),
            Step(
                "cook",
                lambda: self.cook(),
                settings=dict,
                reads=(self.chopped,),
                writes=(self.meal,),
                rows_in=lambda: 3,
                rows_out=lambda: 2,
                holds=lambda: self.is_served,
            ),
        )

    def night(self, *chosen: str) -> list[Done]:
        self.ran.clear()
        names = list(chosen) or ["chop", "cook"]
        return list(walk(self.steps(), self.receipts, code=self.code, chosen=names))

    def plan(self) -> dict[str, str]:
        found = forecast(self.steps(), self.receipts, code=self.code, chosen=["chop", "cook"])
        return {step.name: step.reason for step in found if step.status == "ran"}


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    kitchen = Kitchen(tmp_path)
    kitchen.night()
    return kitchen


def test_the_same_night_again_does_nothing(kitchen: Kitchen) -> None:
    done = kitchen.night()
    assert [step.status for step in done] == ["skipped", "skipped"]
    assert kitchen.ran == []
    assert (done[1].rows_in, done[1].rows_out) == (3, 2)


def test_other_settings_run_the_step_that_reads_them(kitchen: Kitchen) -> None:
    kitchen.settings = {"salt": 2}
    done = kitchen.night()
    assert [step.status for step in done] == ["ran", "skipped"]
    assert done[0].reason == "its settings changed"


def test_other_code_runs_everything(kitchen: Kitchen) -> None:
    kitchen.code = "v2"
    assert [step.reason for step in kitchen.night()] == ["the code changed"] * 2


def test_another_input_runs_what_depends_on_it(kitchen: Kitchen) -> None:
    kitchen.raw.write_text("carrot")
    assert [step.reason for step in kitchen.night()] == [
        "an input of the campaign changed",
        "chopped changed",
    ]


def test_a_change_stops_spreading_where_the_output_is_the_same(kitchen: Kitchen) -> None:
    kitchen.raw.write_text("leek ")
    assert [step.status for step in kitchen.night()] == ["ran", "skipped"]


def test_an_output_that_was_damaged_or_deleted_is_made_again(kitchen: Kitchen) -> None:
    kitchen.meal.write_text("soap")
    assert kitchen.night()[1].reason == "meal is not as it was left"
    assert kitchen.meal.read_text() == "soup"
    kitchen.chopped.unlink()
    assert kitchen.night()[0].reason == "chopped is not as it was left"


def test_what_no_longer_holds_outside_is_done_again(kitchen: Kitchen) -> None:
    kitchen.is_served = False
    assert kitchen.night()[1].reason == "what it did no longer holds"


def test_a_failed_step_is_the_last_and_has_no_receipt(kitchen: Kitchen) -> None:
    def burn() -> None:
        kitchen.meal.write_text("coal")
        raise ValueError("too hot")

    good, kitchen.cook = kitchen.cook, burn
    kitchen.raw.write_text("carrot")
    done = kitchen.night()
    assert [step.status for step in done] == ["ran", "failed"]
    assert done[1].reason == "too hot"

    kitchen.cook = good
    assert [step.status for step in kitchen.night()] == ["skipped", "ran"]
    assert kitchen.meal.read_text() == "soup"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 9}'])
def test_a_receipt_that_cannot_be_read_costs_a_run_and_no_more(kitchen: Kitchen, text: str) -> None:
    (kitchen.folder / "receipts" / "cook.json").write_text(text)
    assert [step.status for step in kitchen.night()] == ["skipped", "ran"]


def test_steps_that_were_not_asked_for_are_left_out(kitchen: Kitchen) -> None:
    kitchen.code = "v2"
    assert [step.status for step in kitchen.night("cook")] == ["left_out", "ran"]


def test_a_plan_runs_nothing_and_says_why_and_what_may_follow(kitchen: Kitchen) -> None:
    kitchen.raw.write_text("carrot")
    assert kitchen.plan() == {
        "chop": "an input of the campaign changed",
        "cook": "unless chop comes out as it did before",
    }
    assert kitchen.chopped.read_text() == "leek"


def test_an_input_where_nobody_can_look_is_always_read_again(tmp_path: Path) -> None:
    step = Step("fetch", lambda: None, settings=dict, watches=("s3://bucket/events",))
    receipts = Receipts(tmp_path)
    for _ in range(2):
        assert next(walk([step], receipts, code="", chosen=["fetch"])).status == "ran"


def test_a_clock_that_goes_back_hides_no_change(kitchen: Kitchen) -> None:
    """A file written anew with an older time is another file."""
    kitchen.raw.write_text("kale")
    os.utime(kitchen.raw, ns=(0, 10**9))
    assert kitchen.night()[0].status == "ran"
    assert kitchen.chopped.read_text() == "kale"


def test_memory_and_time_are_measured(kitchen: Kitchen) -> None:
    kitchen.code = "v2"
    done = kitchen.night()[0]
    assert done.peak_mib is not None
    assert done.peak_mib > 5
    assert done.seconds > 0


def test_names_select_steps_and_a_wrong_one_is_refused() -> None:
    names = ["a", "b", "c"]
    assert selected(names) == names
    assert selected(names, first="b") == ["b", "c"]
    assert selected(names, only=["c", "a"]) == ["a", "c"]
    assert selected(names, first="b", only=["a", "c"]) == ["c"]
    with pytest.raises(ConfigError, match=r"called 'd'\. They are, in order: a, b, c"):
        selected(names, first="d")


def test_a_tables_digest_is_of_its_rows_files_not_of_its_version(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "part-0").write_text("rows")
        (tmp_path / version / "_SUCCESS").write_text(version)
    (tmp_path / "table").symlink_to("v1")
    before = content_digest(tmp_path / "table")
    (tmp_path / "table").unlink()
    (tmp_path / "table").symlink_to("v2")
    assert content_digest(tmp_path / "table") == before
    (tmp_path / "v2" / "part-0").rename(tmp_path / "v2" / "part-1")
    assert content_digest(tmp_path / "table") != before
    assert content_digest(tmp_path / "nowhere") == "absent"


def test_files_can_be_looked_at_only_here(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("x")
    assert look_digest(f"file://{tmp_path}") == look_digest(str(tmp_path))
    assert look_digest("s3://bucket/events") is None
    assert look_digest(str(tmp_path / "nowhere")) is None


def test_more_rows_than_last_night_take_longer() -> None:
    assert seconds_left([Past(10, 100), Past(5, 100)], rows=300, spent=12) == 33
    assert seconds_left([Past(10, None), None], rows=300, spent=0) is None


def test_a_line_on_a_terminal_has_place_tasks_and_time_left() -> None:
    text = line("3/7", "score_customers", tasks=(5, 8), spent=14.0, left=65.0)
    assert text.split() == [
        "3/7",
        "score_customers",
        "0:14",
        "5/8",
        "tasks",
        "about",
        "1:05",
        "left",
    ]


def test_nothing_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with shown(lambda _: "line", every_seconds=0.001):
        pass
    assert capsys.readouterr().err == ""
