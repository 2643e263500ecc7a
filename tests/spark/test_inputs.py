import gzip
import json
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.features.builders import CAMPAIGN
from uplift.config import FlatLog, RawInputs, StaticFeature
from uplift.errors import ConfigError, ContractError
from uplift.spark import inputs

pytestmark = pytest.mark.spark

AGE = StaticFeature(name="age", kind="numeric")
ZIP = StaticFeature(name="zip", kind="categorical")
TWO_ARMS = CAMPAIGN.model_copy(
    update={
        "id": "x",
        "control": "a",
        "treatments": (CAMPAIGN.treatments[0].model_copy(update={"name": "b"}),),
        "ignore_arms": ("old",),
    }
)
LOG = "who,group,bought,spent,age,zip\nann,a,1,3.5,41,0815\nbob,b,0,0,,\n"


def raw(folder, file_format="csv", **changes):
    return RawInputs(
        assignments=str(folder / "assignments"),
        events=str(folder / "events"),
        customers=str(folder / "customers"),
        format=file_format,
        **changes,
    )


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def flat(path, **changes):
    columns = {"unit_id": "who", "arm": "group", "conversion": "bought", "revenue": "spent"}
    return FlatLog(**{"path": str(path), "format": "csv", **columns, **changes})


def read_flat_log(spark, flat_log, static):
    return inputs.read_flat_log(spark, flat_log, static, TWO_ARMS).rows


def read_assignments(spark, given):
    return inputs.read_assignments(spark, given, TWO_ARMS).rows


def read_events(spark, given):
    return inputs.read_events(spark, given).rows


def read_customers(spark, given, static):
    return inputs.read_customers(spark, given, static).rows


def test_a_csv_log_gets_our_names_and_types(spark, tmp_path):
    log = read_flat_log(spark, flat(write(tmp_path / "log.csv", LOG)), [AGE, ZIP])

    assert dict(log.dtypes) == {
        "unit_id": "string",
        "arm": "string",
        "propensity": "double",
        "conversion": "double",
        "revenue": "double",
        "age": "double",
        "zip": "string",
        "cluster_id": "string",
    }
    ann, bob = (row.asDict() for row in log.orderBy("unit_id").collect())
    assert ann == {
        "unit_id": "ann",
        "arm": "a",
        "propensity": None,
        "conversion": 1.0,
        "revenue": 3.5,
        "age": 41.0,
        "zip": "0815",
        "cluster_id": "ann",
    }
    assert (bob["age"], bob["zip"]) == (None, None)


def test_a_gzipped_log_reads_the_same(spark, tmp_path):
    plain = read_flat_log(spark, flat(write(tmp_path / "log.csv", LOG)), [AGE])
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(LOG.encode()))
    zipped = read_flat_log(spark, flat(tmp_path / "log.csv.gz"), [AGE])
    assert zipped.collect() == plain.collect()


def test_a_parquet_log_reads_the_same_and_its_nan_is_a_missing_value(spark, tmp_path):
    table = pa.table(
        {
            "who": ["ann", "bob"],
            "group": ["a", "b"],
            "bought": [True, False],
            "spent": [3.5, 0.0],
            "age": [41.0, float("nan")],
            "zip": ["0815", None],
        }
    )
    pq.write_table(table, tmp_path / "log.parquet", compression="gzip")
    parquet = read_flat_log(spark, flat(tmp_path / "log.parquet", format="parquet"), [AGE, ZIP])
    csv = read_flat_log(spark, flat(write(tmp_path / "log.csv", LOG)), [AGE, ZIP])
    assert parquet.collect() == csv.collect()


def test_without_a_unit_column_identical_rows_are_different_units(spark, tmp_path):
    path = write(tmp_path / "log.csv", "group,bought,age\n" + "a,1,41\n" * 3)
    log = read_flat_log(spark, flat(path, unit_id=None, revenue=None), [AGE])
    assert [row.unit_id for row in log.collect()] == ["1", "2", "3"]
    assert [row.revenue for row in log.collect()] == [None] * 3


def test_a_log_without_a_path_says_how_to_give_one(spark):
    with pytest.raises(ConfigError, match=r"--log PATH.*UPLIFT_LOG"):
        read_flat_log(spark, flat("x").model_copy(update={"path": None}), [])


def test_every_missing_column_of_log_and_features_is_named_at_once(spark, tmp_path):
    path = write(tmp_path / "log.csv", "who,groups,bought\nann,a,1\n")
    with pytest.raises(ContractError) as caught:
        read_flat_log(spark, flat(path), [AGE])
    for part in ("lacks 3 of 5 columns", "`group` (is it `groups`?)", "`spent`", "`age`"):
        assert part in str(caught.value)


def test_a_column_of_lists_is_no_feature(spark, tmp_path):
    table = pa.table({"who": ["ann"], "group": ["a"], "bought": [1], "spent": [1.0], "age": [[1]]})
    pq.write_table(table, tmp_path / "log.parquet")
    with pytest.raises(ContractError, match=r"`age` .* has type array<bigint> in every row"):
        read_flat_log(spark, flat(tmp_path / "log.parquet", format="parquet"), [AGE])


def test_an_outcome_is_no_feature(spark, tmp_path):
    path = write(tmp_path / "log.csv", LOG)
    leak = StaticFeature(name="spent", kind="numeric")
    with pytest.raises(ConfigError, match=r"1 of 2 features .* `spent` is the revenue"):
        read_flat_log(spark, flat(path), [AGE, leak])


def test_assignments_have_times_in_utc_and_units_as_their_own_clusters(spark, tmp_path):
    write(
        tmp_path / "assignments" / "a.csv",
        "experiment_id,unit_id,arm,assigned_at,cluster_id\n"
        "x,007,a,2026-03-29T02:30:00Z,\nx,008,b,2026-03-29 02:30:00,home\n",
    )
    first, second = (
        read_assignments(spark, raw(tmp_path)).selectExpr("*", "string(assigned_at) t").collect()
    )
    assert (first.unit_id, first.cluster_id, first.propensity) == ("007", "007", None)
    assert (second.cluster_id, second.t) == ("home", "2026-03-29 02:30:00")
    assert first.t == second.t


def test_events_may_be_json_lines_and_may_lack_values(spark, tmp_path):
    lines = [
        {"unit_id": "ann", "event_type": "visit", "event_at": "2026-01-02T03:04:05Z"},
        {"unit_id": "bob", "event_type": "visit", "event_at": "2026-01-02T03:04:05Z"},
    ]
    write(tmp_path / "events" / "e.json", "\n".join(map(json.dumps, lines)))
    events = read_events(spark, raw(tmp_path, "json")).orderBy("unit_id")
    assert [(row.unit_id, row.value) for row in events.collect()] == [("ann", None), ("bob", None)]
    assert dict(events.dtypes)["event_at"] == "timestamp"


def test_a_parquet_time_stays_what_it_is(spark, tmp_path):
    when = datetime(2026, 1, 2, 3, 4, 5)
    table = pa.table(
        {
            "unit_id": ["ann"],
            "event_type": ["visit"],
            "event_at": pa.array([when], pa.timestamp("us", tz="UTC")),
            "value": [1],
        }
    )
    (tmp_path / "events").mkdir()
    pq.write_table(table, tmp_path / "events" / "part.parquet")
    row = read_events(spark, raw(tmp_path, "parquet")).selectExpr("string(event_at)", "value")
    assert row.first() == ("2026-01-02 03:04:05", 1.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unit_id,age\nann,1\n", [("ann", True)]),
        ("unit_id,contactable,age\nann,true,1\nbob,false,1\neve,,1\n",
         [("ann", True), ("bob", False), ("eve", False)]),
    ],
)  # fmt: skip
def test_everybody_is_contactable_unless_the_table_says_otherwise(spark, tmp_path, text, expected):
    write(tmp_path / "customers" / "c.csv", text)
    customers = read_customers(spark, raw(tmp_path), [AGE]).orderBy("unit_id")
    assert [(row.unit_id, row.contactable) for row in customers.collect()] == expected
