import json
import random
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.features.builders import CAMPAIGN
from uplift.config import FlatLog, RawInputs, StaticFeature
from uplift.spark import inputs

pytestmark = pytest.mark.spark

AGE = StaticFeature(name="age", kind="numeric")
TWO_ARMS = CAMPAIGN.model_copy(
    update={
        "id": "x",
        "control": "a",
        "treatments": (CAMPAIGN.treatments[0].model_copy(update={"name": "b"}),),
        "ignore_arms": ("old",),
    }
)


def raw(folder, **changes):
    tables = {name: str(folder / name) for name in ("assignments", "events", "customers")}
    return RawInputs(**{**tables, "format": "csv", **changes})


def flat(path, **changes):
    columns = {"unit_id": "who", "arm": "group", "conversion": "bought", "revenue": "spent"}
    return FlatLog(**{"path": str(path), "format": "csv", **columns, **changes})


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def broken(table):
    """Unit -> reason, of the rows that are set aside."""
    rows = table.broken.collect()
    return {json.loads(row.row).get("unit_id", row.row): row.reason for row in rows}


def test_every_broken_assignment_has_the_first_reason_that_applies(spark, tmp_path):
    write(
        tmp_path / "assignments" / "a.csv",
        "experiment_id,unit_id,arm,assigned_at,propensity\n"
        "x,good,a,2026-01-02T00:00:00Z,0.5\n"
        "x,ignored,old,2026-01-02T00:00:00Z,\n"
        "other,elsewhere,z,2026-01-02T00:00:00Z,\n"
        ",no experiment,a,2026-01-02T00:00:00Z,\n"
        'x,no arm," ",2026-01-02T00:00:00Z,\n'
        "x,no time,a,,\n"
        "x,not a time,z,yesterday,0.5\n"
        "x,half,a,2026-01-02T00:00:00Z,half\n"
        "x,zero,a,2026-01-02T00:00:00Z,0\n"
        "x,above 1,z,2026-01-02T00:00:00Z,1.5\n"
        "x,infinite,a,2026-01-02T00:00:00Z,inf\n"
        "x,huge,a,2026-01-02T00:00:00Z,1e999\n"
        "x,nan,a,2026-01-02T00:00:00Z,NaN\n"
        "x,unknown,z,2026-01-02T00:00:00Z,\n",
    )
    table = inputs.read_assignments(spark, raw(tmp_path), TWO_ARMS)
    assert {row.unit_id for row in table.rows.collect()} == {"good", "ignored", "elsewhere"}
    assert broken(table) == {
        "no experiment": "`experiment_id` is null or blank: null",
        "no arm": "`arm` is null or blank:  ",
        "no time": "`assigned_at` is null or blank: null",
        "not a time": "`assigned_at` is not a time: yesterday",
        "half": "`propensity` is not a number: half",
        "zero": "the propensity is not above 0 and up to 1: 0.0",
        "above 1": "the propensity is not above 0 and up to 1: 1.5",
        "infinite": "`propensity` is not a number: inf",
        "huge": "`propensity` is not a finite number: Infinity",
        "nan": "`propensity` is not a finite number: NaN",
        "unknown": "the arm is unknown to the campaign: z",
    }


@pytest.mark.parametrize("negatives", ["keep", "set_aside"])
def test_a_refund_is_kept_unless_no_value_may_be_negative(spark, tmp_path, negatives):
    write(
        tmp_path / "events" / "e.csv",
        "unit_id,event_type,event_at,value\n"
        "good,buy,2026-01-02T00:00:00Z,3\n"
        "undeclared,whatever,2026-01-02T00:00:00Z,\n"
        "refund,buy,2026-01-02T00:00:00Z,-3\n"
        "giant,buy,2026-01-02T00:00:00Z,-2e10\n"
        "no type,,2026-01-02T00:00:00Z,1\n",
    )
    table = inputs.read_events(spark, raw(tmp_path, negative_values=negatives))
    kept = {row.unit_id for row in table.rows.collect()}
    reasons = broken(table)
    assert kept == {"good", "undeclared", *(["refund"] if negatives == "keep" else [])}
    assert kept.isdisjoint(reasons)
    assert reasons["giant"] == "the value is beyond 1e+10: -2.0E10"
    assert reasons["no type"] == "`event_type` is null or blank: null"
    assert reasons.get("refund", "the value is negative: -3.0") == "the value is negative: -3.0"


def test_of_equal_customers_one_stays_and_contradicting_ones_all_go(spark, tmp_path):
    write(
        tmp_path / "customers" / "c.csv",
        "unit_id,contactable,age,seen\n"
        "ann,true,30,monday\nann,true,30.0,friday\n"  # alike in all that we read
        "bob,true,30,\nbob,false,30,\n"
        "eve,true,30,\neve,true,old,\n"  # a broken row contradicts nobody
        "dan,maybe,30,\n",
    )
    table = inputs.read_customers(spark, raw(tmp_path), [AGE])
    assert sorted(row.unit_id for row in table.rows.collect()) == ["ann", "eve"]
    found = sorted((row.reason, json.loads(row.row)["seen"]) for row in table.broken.collect())
    assert found == [
        ("`age` is not a number: old", None),
        ("`contactable` is not true or false: maybe", None),
        ("`unit_id` is not unique and its rows contradict each other: bob", None),
        ("`unit_id` is not unique and its rows contradict each other: bob", None),
        ("`unit_id` is not unique: ann", "friday"),
    ]


def test_a_flat_log_is_judged_by_the_same_rules_and_its_outcome_is_0_or_1(spark, tmp_path):
    path = write(
        tmp_path / "log.csv",
        "who,group,bought,spent,age\n"
        "ann,a,1,3,41\nbob,b,0,0,\n"
        "two,a,2,0,1\nnull,b,,0,1\nword,b,yes,0,1\n"
        "arm,z,1,0,1\nrich,a,1,1e11,1\nold,a,1,0,inf\n"
        "twice,a,1,0,1\ntwice,b,1,0,1\n",
    )
    table = inputs.read_flat_log(spark, flat(path), [AGE], TWO_ARMS)
    assert [row.unit_id for row in table.rows.orderBy("unit_id").collect()] == ["ann", "bob"]
    reasons = {json.loads(row.row)["who"]: row.reason for row in table.broken.collect()}
    assert reasons == {
        "two": "`bought` is not 0 or 1: 2.0",
        "null": "`bought` is not 0 or 1: null",
        "word": "`bought` is not a number: yes",
        "arm": "the arm is unknown to the campaign: z",
        "rich": "the revenue is beyond 1e+10: 1.0E11",
        "old": "`age` is not a number: inf",
        "twice": "`unit_id` is not unique and its rows contradict each other: twice",
    }


def test_a_broken_row_does_not_change_the_numbers_of_the_others(spark, tmp_path):
    path = write(tmp_path / "log.csv", "group,bought,age\na,1,1\na,7,2\nb,1,2,9\nb,0,3\n")
    table = inputs.read_flat_log(spark, flat(path, unit_id=None, revenue=None), [AGE], TWO_ARMS)
    assert [row.unit_id for row in table.rows.collect()] == ["1", "4"]
    assert sorted(row.row for row in table.broken.collect()) == [
        '{"_corrupt_record":"b,1,2,9"}',
        '{"group":"a","bought":"7","age":"2"}',
    ]


def test_whoever_stays_of_repeated_customers_does_not_depend_on_files_and_their_order(
    spark, tmp_path
):
    lines = [f"u{i % 40},{i % 3 if i % 40 < 20 else 7},{i}" for i in range(120)]
    found = []
    for files in (1, 5):
        folder = tmp_path / str(files)
        random.Random(files).shuffle(lines)
        for number in range(files):
            text = "\n".join(["unit_id,age,seen", *lines[number::files]])
            write(folder / f"customers/{number}.csv", text + "\n")
        table = inputs.read_customers(spark, raw(folder), [AGE])
        kept = sorted(tuple(row) for row in table.rows.collect())
        found.append((kept, sorted((row.reason, row.row) for row in table.broken.collect())))
    assert found[0] == found[1]
    kept, broken_rows = found[0]
    assert [unit for unit, *_ in kept] == sorted(f"u{i}" for i in range(20, 40))
    assert len(kept) + len(broken_rows) == 120


def test_a_broken_row_mended_in_its_json_is_read_again_as_it_was(spark, tmp_path):
    at = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    table = pa.table(
        {
            "unit_id": ["ann", ""],
            "event_type": ["buy", "buy"],
            "event_at": pa.array([at, at], pa.timestamp("us", "UTC")),
            "value": [1.5, 2.5],
            "note": [None, None],
        }
    )
    (tmp_path / "events").mkdir()
    pq.write_table(table, tmp_path / "events/part.parquet")
    (row,) = inputs.read_events(spark, raw(tmp_path, format="parquet")).broken.collect()
    mended = json.loads(row.row) | {"unit_id": "bob"}
    assert mended["note"] is None

    write(tmp_path / "again/events/part.json", json.dumps(mended) + "\n")
    again = inputs.read_events(spark, raw(tmp_path / "again", format="json")).rows
    (back,) = again.selectExpr("*", "unix_micros(event_at) us").collect()
    assert (back.unit_id, back.value) == ("bob", 2.5)
    assert back.us == int(at.timestamp()) * 1_000_000 + 678_901
