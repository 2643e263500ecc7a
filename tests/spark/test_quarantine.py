import hashlib
import json
import logging
import random

import pytest

from uplift.config import RawInputs, StaticFeature
from uplift.errors import ContractError
from uplift.spark.inputs import read_customers, read_events
from uplift.spark.quarantine import REPORT, quarantine_of, set_aside
from uplift.workspace import Workspace, read_document

pytestmark = pytest.mark.spark

AT = "2026-01-02T03:04:05Z"
AGE = StaticFeature(name="age", kind="numeric")
COLUMNS = ("unit_id", "event_type", "event_at", "value")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


def raw(folder, **changes):
    tables = {name: str(folder / name) for name in ("assignments", "events", "customers")}
    return RawInputs(**{**tables, "format": "csv", **changes})


def write_events(folder, lines, *, files=1):
    """The lines, dealt out to files in turn."""
    (folder / "events").mkdir(exist_ok=True)
    for number in range(files):
        text = "\n".join([",".join(COLUMNS), *lines[number::files]])
        (folder / "events" / f"{number}.csv").write_text(text + "\n")


def quarantined(spark, workspace, table="events"):
    return spark.read.parquet(str(quarantine_of(workspace, table).resolve())).collect()


def good(n, start=0):
    return [f"u{i},buy,{AT},{i}" for i in range(start, start + n)]


def test_broken_rows_are_set_aside_with_reasons_and_counts_and_the_rest_goes_on(
    spark, tmp_path, workspace
):
    write_events(tmp_path, [*good(198), f" ,buy,{AT},1", "bob,buy,never,1"])
    events = read_events(spark, raw(tmp_path))

    tallies = set_aside(spark, [events], workspace, fail_above=0.01)

    assert events.rows.count() == 198
    assert {(row.table, row.source, row.reason) for row in quarantined(spark, workspace)} == {
        ("events", str(tmp_path / "events"), "`unit_id` is null or blank:  "),
        ("events", str(tmp_path / "events"), "`event_at` is not a time: never"),
    }
    report = read_document(workspace.report(REPORT), made_by="")["events"]
    assert (report["read"], report["kept"], report["set_aside"]) == (200, 198, 2)
    assert report["reasons"][0] == {
        "rule": "`event_at` is not a time",
        "rows": 1,
        "example": "`event_at` is not a time: never",
    }
    assert tallies.level == logging.WARNING
    assert tallies.facts() == {
        "events_read": 200,
        "events_kept": 198,
        "set_aside": [
            "events: 1 x `event_at` is not a time",
            "events: 1 x `unit_id` is null or blank",
        ],
    }


def test_too_many_broken_rows_fail_with_reasons_examples_place_and_key(spark, tmp_path, workspace):
    write_events(tmp_path, [*good(198), f"ann,buy,{AT},lots", f"bob,buy,{AT},lots", f",buy,{AT},1"])
    events = read_events(spark, raw(tmp_path))
    with pytest.raises(ContractError) as caught:
        set_aside(spark, [events], workspace, fail_above=0.01)
    message = str(caught.value)
    assert message.startswith(
        f"3 of 201 rows of {tmp_path}/events break their contract: `value` is"
    )
    for part in (
        "`value` is not a number in 2 of 201 rows, such as 'lots'",
        "`unit_id` is null or blank in 1 of 201 rows",
        str(quarantine_of(workspace, "events")),
        "`inputs.quarantine_fail`",
    ):
        assert part in message
    assert len(quarantined(spark, workspace)) == 3


def test_a_table_without_a_sound_row_fails_whatever_the_limit(spark, tmp_path, workspace):
    write_events(tmp_path, ["bob,buy,never,1"])
    with pytest.raises(ContractError, match="1 of 1 rows"):
        set_aside(spark, [read_events(spark, raw(tmp_path))], workspace, fail_above=1.0)


def test_yesterdays_quarantine_does_not_linger_and_other_tables_counts_stay(
    spark, tmp_path, workspace
):
    (tmp_path / "customers").mkdir()
    (tmp_path / "customers/c.csv").write_text("unit_id,age\nann,1\nbob,2\n")
    customers = read_customers(spark, raw(tmp_path), [AGE])
    write_events(tmp_path, [*good(9), "bob,buy,never,1"])
    events = read_events(spark, raw(tmp_path))
    set_aside(spark, [events, customers], workspace, fail_above=0.5)
    assert len(quarantined(spark, workspace)) == 1

    write_events(tmp_path, good(10))
    tallies = set_aside(spark, [read_events(spark, raw(tmp_path))], workspace, fail_above=0.5)

    assert quarantined(spark, workspace) == []
    assert tallies.level == logging.INFO
    report = read_document(workspace.report(REPORT), made_by="")
    assert {name: table["set_aside"] for name, table in report.items()} == {
        "events": 0,
        "customers": 0,
    }


def test_the_same_table_gives_the_same_bytes(spark, tmp_path, workspace):
    def digests():
        files = sorted(quarantine_of(workspace, "customers").glob("*"))
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]

    lines = [f"u{i % 40},{i % 3},{i}" for i in range(100)]
    (tmp_path / "customers").mkdir()
    for number in range(3):
        text = "\n".join(["unit_id,age,seen", *lines[number::3]])
        (tmp_path / f"customers/{number}.csv").write_text(text)
    written = []
    for _ in range(2):
        customers = read_customers(spark, raw(tmp_path), [AGE])
        with pytest.raises(ContractError, match="100 of 100 rows"):
            set_aside(spark, [customers], workspace, fail_above=0.0)
        written.append(digests())
    assert written[0] == written[1] != []


FAULTS = {
    "`unit_id` is null or blank": ("", "buy", AT, "1"),
    "`event_type` is null or blank": ("u", "  ", AT, "1"),
    "`event_at` is null or blank": ("u", "buy", "", "1"),
    "`event_at` is not a time": ("u", "buy", "2026-02-30T00:00:00Z", "1"),
    "`value` is not a number": ("u", "buy", AT, "1,5"),
    "`value` is not a finite number": ("u", "buy", AT, "NaN"),
    "the value is beyond 1e+10": ("u", "buy", AT, "1e300"),
}


@pytest.mark.parametrize("files", [1, 7])
def test_planted_faults_are_the_rows_set_aside_and_no_other_row_is_lost(
    spark, tmp_path, workspace, files
):
    rng = random.Random(7)
    lines, sound, planted, torn = [], {}, {}, []
    for number in range(600):
        kind = rng.choice([None, None, None, "torn", *FAULTS])
        if kind == "torn":
            line = rng.choice([f"t{number},buy", f"t{number},buy,{AT},1,2", f't{number},"buy'])
            torn.append(line)
        else:
            fields = (
                (f"u{number}", 'buy, "again"', AT, str(number)) if kind is None else FAULTS[kind]
            )
            fields = tuple(f"u{number}" if field == "u" else field for field in fields)
            line = ",".join('"' + field.replace('"', '""') + '"' for field in fields)
            if kind is None:
                sound[fields[0]] = (fields[1], float(number))
            else:
                planted.setdefault(kind, []).append(tuple(f or None for f in fields))
        lines.append(line)
    write_events(tmp_path, lines, files=files)
    before = spark.conf.get("spark.sql.files.maxPartitionBytes")
    try:
        spark.conf.set("spark.sql.files.maxPartitionBytes", "4000")
        events = read_events(spark, raw(tmp_path))
        tallies = set_aside(spark, [events], workspace, fail_above=1.0)
        kept = {row.unit_id: (row.event_type, row.value) for row in events.rows.collect()}
    finally:
        spark.conf.set("spark.sql.files.maxPartitionBytes", before)

    assert kept == sound
    (tally,) = tallies.tables
    assert (tally.read, tally.kept, tally.set_aside) == (600, len(sound), 600 - len(sound))
    found: dict[str, list[object]] = {}
    for row in quarantined(spark, workspace):
        original = json.loads(row.row)
        values = original.get("_corrupt_record") or tuple(original[name] for name in COLUMNS)
        found.setdefault(row.rule, []).append(values)
    assert sorted(found.pop("the line cannot be parsed")) == sorted(torn)
    assert {rule: sorted(rows, key=str) for rule, rows in found.items()} == {
        rule: sorted(rows, key=str) for rule, rows in planted.items()
    }


def test_a_file_that_cannot_be_read_is_named(spark, tmp_path, workspace):
    write_events(tmp_path, good(4), files=2)
    (tmp_path / "events/1.csv").write_text("event_type,unit_id,event_at,value\nbuy,ann,2026,1\n")
    with pytest.raises(ContractError, match=r"\d\.csv of .*events has another header"):
        set_aside(spark, [read_events(spark, raw(tmp_path))], workspace, fail_above=0.01)
