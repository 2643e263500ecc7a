from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from uplift.spark.daily.ledger import (
    FoldedFile,
    FoldPlan,
    Ledger,
    SourceFile,
    after_fold,
    date_of,
    day_name,
    day_number,
    plan_fold,
    read_ledger,
    write_ledger,
)

MONDAY = SourceFile("monday", size=10, modified_us=1)
TUESDAY = SourceFile("tuesday", size=20, modified_us=2)
KNOWN = Ledger(
    "s",
    ("buy",),
    {
        "monday": FoldedFile(MONDAY, {1: 5}, {"buy": 5}),
        "tuesday": FoldedFile(TUESDAY, {1: 1, 2: 7}, {"buy": 6, "visit": 2}),
    },
    {1: ("a", "b"), 2: ("b",)},
)


def plan(listed, known=KNOWN, source="s", valued_types=("buy",), **more):
    return plan_fold(known, listed, source=source, valued_types=valued_types, **more)


def test_nothing_new_is_nothing_to_do():
    assert plan([MONDAY, TUESDAY]).is_idle


def test_a_new_file_is_read_and_breaks_no_day():
    wednesday = SourceFile("wednesday", size=1, modified_us=3)
    found = plan([MONDAY, TUESDAY, wednesday])
    assert (found.fresh, found.broken_days) == ((wednesday,), frozenset())


def test_a_changed_file_is_read_again_and_breaks_the_days_it_held():
    for changed in (replace(TUESDAY, size=21), replace(TUESDAY, modified_us=3)):
        found = plan([MONDAY, changed])
        assert (found.fresh, found.broken_days) == ((changed,), frozenset({1, 2}))
        assert set(found.base.files) == {"monday"}


def test_a_deleted_file_breaks_the_days_it_held():
    found = plan([TUESDAY])
    assert (found.fresh, found.broken_days) == ((), frozenset({1}))


def test_a_day_that_lost_a_part_is_broken():
    assert plan([MONDAY, TUESDAY], lost_days=[2]).broken_days == {2}


def test_everything_is_folded_anew_with_a_reason():
    listed = [TUESDAY, MONDAY]
    anew = [
        (plan(listed, known=None), "no event has been folded"),
        (plan(listed, source="other"), "reads events in another way"),
        (plan(listed, valued_types=["buy", "visit"]), r"different values of ['visit']"),
    ]
    for found, reason in anew:
        assert reason in found.reason
        assert (found.fresh, found.base.parts) == ((MONDAY, TUESDAY), {})


def test_values_that_are_needed_no_more_stay_kept():
    found = plan([MONDAY, TUESDAY], valued_types=())
    assert found.is_idle
    assert found.base.valued_types == ("buy",)
    assert plan([MONDAY], valued_types=["visit"]).base.valued_types == ("buy", "visit")


def test_a_fold_adds_parts_and_replaces_those_of_broken_days():
    wednesday = FoldedFile(SourceFile("w", 1, 3), {2: 1, 3: 9}, {"buy": 10})
    found = FoldPlan(KNOWN, (wednesday.file,), broken_days=frozenset({1}))
    after = after_fold(found, [wednesday], {1: "c", 2: "c", 3: "c"})
    assert after.parts == {1: ("c",), 2: ("b", "c"), 3: ("c",)}
    assert (set(after.files), after.n_rows) == ({"monday", "tuesday", "w"}, 23)
    assert after.event_types == {"buy", "visit"}


def test_a_broken_day_that_no_file_holds_any_more_is_gone():
    found = FoldPlan(KNOWN, (), broken_days=frozenset({2}))
    assert after_fold(found, [], {}).parts == {1: ("a", "b")}


def test_whole_days_are_those_that_have_a_part_already():
    found = FoldPlan(KNOWN, (MONDAY,), frozenset()).with_whole_days([2, 3])
    assert found.broken_days == {2}


def test_a_ledger_is_read_back_as_it_was_written(tmp_path):
    assert read_ledger(tmp_path / "ledger.json") is None
    write_ledger(tmp_path / "ledger.json", KNOWN)
    assert read_ledger(tmp_path / "ledger.json") == KNOWN


def test_a_ledger_of_another_layout_is_no_ledger(tmp_path):
    path = tmp_path / "ledger.json"
    write_ledger(path, KNOWN)
    path.write_text(path.read_text().replace('"layout": 1', '"layout": 0'))
    assert read_ledger(path) is None


@given(st.dates())
def test_a_day_has_one_number_and_one_name(day: date):
    assert date_of(day_number(day)) == day
    assert day_name(day_number(day)) == day.isoformat()


def test_a_day_beyond_the_calendar_still_has_a_name():
    assert day_name(5_000_000) == "15659-07-15"
