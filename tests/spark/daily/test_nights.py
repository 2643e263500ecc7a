"""Night after night from daily aggregates, against all events by hand and against the raw path."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.spark.daily.builders import (
    ALL,
    DAY,
    START,
    TICK,
    UNITS,
    Source,
    by_hand,
    night,
    random_day,
    summaries,
    tree,
    trust,
)
from uplift.errors import ContractError
from uplift.spark.daily import fold
from uplift.spark.daily import night as nights
from uplift.spark.daily.store import DailyStore
from uplift.spark.event_features import add_event_summaries
from uplift.spark.inputs import read_events

pytestmark = pytest.mark.spark

IN_BOTH = ALL


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path)


@pytest.fixture
def store(tmp_path):
    return DailyStore(tmp_path / "daily")


def from_raw(spark, source, as_of):
    """What the job finds without daily aggregates."""
    units = spark.createDataFrame([(u, as_of) for u in UNITS], "unit_id string, as_of timestamp")
    frame = add_event_summaries(units, read_events(spark, source.raw).rows, IN_BOTH, as_of="as_of")
    return {row["unit_id"]: row.asDict() for row in frame.drop("as_of").collect()}


def write_history(source, rng, n_days=12):
    """The days before the first night, in one file."""
    days = [START - back * DAY for back in range(2, n_days + 2)]
    source.write("history.parquet", [event for day in days for event in random_day(rng, day, 12)])


@pytest.mark.parametrize("n_nights", [7, pytest.param(30, marks=pytest.mark.long)])
def test_new_late_repeated_changed_and_deleted_files_give_the_features_of_all_events(
    spark, source, store, n_nights
):
    rng = np.random.default_rng(n_nights)
    write_history(source, rng)
    kinds = []
    for number in range(n_nights):
        as_of = START + number * DAY
        source.write(f"{number}.parquet", random_day(rng, as_of - DAY, 25))
        match number % 7:
            case 1:
                late = [e for back in (2, 3, 9) for e in random_day(rng, as_of - back * DAY, 4)]
                source.write(f"{number} late.parquet", late)
            case 2:
                source.write(f"{number} again.parquet", source.files[f"{number - 1}.parquet"])
            case 4:
                source.write(f"{number - 2}.parquet", source.files[f"{number - 2}.parquet"][5:])
            case 6:
                source.delete(f"{number - 1}.parquet")

        step, found = night(spark, source, store, as_of)

        kinds.append(step.kind)
        assert found == by_hand(source.events, as_of), f"night {number}"
    raw = from_raw(spark, source, as_of)
    assert {u: {name: found[u][name] for name in row} for u, row in raw.items()} == raw
    week = ["rebuild", "advance", "advance", "advance", "rebuild", "advance", "rebuild"]
    assert kinds[:7] == week
    assert set(kinds[7:]) <= {"advance", "rebuild"}


def test_an_event_belongs_to_the_day_before_midnight_or_to_the_day_after(spark, source, store):
    marks = [(START - TICK, 1.0), (START, 10.0), (START - DAY, 100.0), (START - DAY - TICK, 1e3)]
    source.write("all.parquet", [("u0", "purchase", at, value) for at, value in marks])
    sums = summaries(("sum",), days=(1,))
    for as_of, expected in [(START, 101.0), (START + DAY, 10.0)]:
        _, found = night(spark, source, store, as_of, sums)
        assert found["u0"]["sum_1"] == expected


def test_totals_that_moved_on_are_the_bytes_of_totals_built_anew(spark, source, store):
    rng = np.random.default_rng(5)
    write_history(source, rng)
    night(spark, source, store, START - DAY)
    source.write("new.parquet", random_day(rng, START - DAY, 25))
    step, _ = night(spark, source, store, START)
    moved = tree(store)
    assert step.kind == "advance"

    again, _ = night(spark, source, store, START)
    assert (again.kind, tree(store)) == ("keep", moved)

    store.totals_record.unlink()
    anew, _ = night(spark, source, store, START)
    assert (anew.kind, tree(store)) == ("rebuild", moved)


class Killed(BaseException):
    """What no handler catches."""


STEPS = [
    (fold, "settle"),
    (fold, "write_ledger"),
    (fold, "sweep_parts"),
    (nights, "settle"),
    (nights, "write_document"),
    (nights, "sweep_totals"),
]


def test_a_night_killed_at_any_step_leaves_what_was_and_its_rerun_the_bytes_of_one_not_killed(
    spark, source, tmp_path, monkeypatch
):
    rng = np.random.default_rng(6)
    write_history(source, rng)
    before = DailyStore(tmp_path / "before")
    night(spark, source, before, START - DAY)
    source.write("new.parquet", random_day(rng, START - DAY, 25) + random_day(rng, START, 5))
    clean = DailyStore(shutil.copytree(before.root, tmp_path / "clean"))
    _, expected = night(spark, source, clean, START)
    for number, (module, name) in enumerate(STEPS):
        store = DailyStore(shutil.copytree(before.root, tmp_path / f"killed-{number}"))
        calls_left = 1 if name == "settle" and module is fold else 0
        with monkeypatch.context() as patch:
            patch.setattr(module, name, killed_after(getattr(module, name), calls_left))
            with pytest.raises(Killed):
                night(spark, source, store, START)
        for path, content in tree(before).items():
            if path.startswith("days/"):
                assert tree(store)[path] == content

        _, found = night(spark, source, store, START)

        assert found == expected, name
        assert tree(store) == tree(clean), name
        shutil.rmtree(store.root)


def killed_after(call, calls_left):
    def killed(*arguments, **options):
        nonlocal calls_left
        if not calls_left:
            raise Killed
        calls_left -= 1
        return call(*arguments, **options)

    return killed


def test_another_declaration_builds_the_totals_anew_and_other_values_the_parts_too(
    spark, source, store
):
    rng = np.random.default_rng(7)
    write_history(source, rng)
    sums, distinct = summaries(("sum", "max")), summaries(("distinct",), days=(2,))
    night(spark, source, store, START, sums)
    parts = {path for path in tree(store) if path.startswith("days/")}

    step, found = night(spark, source, store, START, summaries(("sum", "max"), days=(2, 9)))
    assert (step.kind, "other windows" in step.reason) == ("rebuild", True)
    assert found == by_hand(source.events, START, summaries(("sum", "max"), days=(2, 9)))
    assert {path for path in tree(store) if path.startswith("days/")} == parts

    _, found = night(spark, source, store, START, distinct)
    assert found == by_hand(source.events, START, distinct)
    assert parts.isdisjoint(tree(store))


def test_parts_and_totals_that_vanished_are_made_again(spark, source, store):
    rng = np.random.default_rng(8)
    write_history(source, rng)
    _, expected = night(spark, source, store, START)
    shutil.rmtree(next(store.root.glob("totals/*")))
    shutil.rmtree(next(store.root.glob("days/*")))
    assert night(spark, source, store, START)[1] == expected


def test_repeated_events_are_dropped_across_files(spark, source, store):
    rng = np.random.default_rng(9)
    counted = summaries(("count", "sum"), days=(3,))
    events = random_day(rng, START - 2 * DAY, 20)
    source.write("a.parquet", events + events[:5])
    night(spark, source, store, START, counted, drop_repeated=True)
    late = random_day(rng, START - 2 * DAY, 3)
    source.write("b.parquet", events[:9] + late)
    _, found = night(spark, source, store, START, counted, drop_repeated=True)
    assert found == by_hand(list(dict.fromkeys(events + late)), START, counted)


@pytest.mark.parametrize(
    "names",
    [
        ["a b.csv", "c,{d}.csv", "e[1]*?.csv", "f%20g.csv", "h.csv"],
        ["on=1/a.csv", "on=1/b.csv", "on=2/a.csv", "on=2/b.csv", "on=3/a.csv"],
    ],
)
def test_a_few_files_are_read_whatever_their_names_and_folders(spark, source, store, names):
    line = "u0,purchase,2026-03-09T12:00:00Z,1.5\n"
    raw = source.raw.model_copy(update={"format": "csv"})
    for written in (names[:1], names[1:4], names[4:]):
        for name in written:
            path = source.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text("unit_id,event_type,event_at,value\n" + line, encoding="utf-8")
        report = fold.fold_events(spark, raw, store, judge=trust)
        assert (report.files, report.rows) == (len(written), len(written))
    assert report.ledger.n_rows == 5


def test_a_file_that_changes_while_it_is_read_stops_the_fold(spark, source, store, monkeypatch):
    source.write("a.parquet", [("u0", "purchase", START, 1.0)] * 2)
    count = fold._what_they_hold

    def count_and_change(*arguments, **options):
        held = count(*arguments, **options)
        source.write("a.parquet", [("u0", "purchase", START, 1.0)])
        return held

    with monkeypatch.context() as patch:
        patch.setattr(fold, "_what_they_hold", count_and_change)
        with pytest.raises(ContractError, match="2 events were counted and 1 folded"):
            fold.fold_events(spark, source.raw, store, judge=trust)
    assert fold.fold_events(spark, source.raw, store, judge=trust).ledger.n_rows == 1


def test_a_source_that_is_not_there_or_empty_is_refused(spark, source, store):
    with pytest.raises(ContractError, match=r"holds no file. Check `inputs.raw.events`"):
        fold.fold_events(spark, source.raw, store, judge=trust)
    Path(source.folder).rmdir()
    with pytest.raises(ContractError, match=r"cannot be listed. Check `inputs.raw.events`"):
        fold.fold_events(spark, source.raw, store, judge=trust)
