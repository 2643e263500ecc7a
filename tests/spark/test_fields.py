from datetime import UTC, date, datetime

import pytest

from uplift.errors import ContractError
from uplift.spark.fields import Field, require_fields, typed_columns

pytestmark = pytest.mark.spark

BERLIN = "Europe/Berlin"


def typed(spark, rows, schema, *fields, time_zone="UTC"):
    """The fields of each row; times as UTC without a zone."""
    frame = spark.createDataFrame(rows, schema)
    values = typed_columns(frame, fields, time_zone=time_zone)
    shown = {
        field.ours: values[field.ours].cast("timestamp_ntz")
        if field.type == "timestamp"
        else values[field.ours]
        for field in fields
    }
    return frame.select(*[value.alias(name) for name, value in shown.items()]).collect()


def utc(day, hour, minute=0, month=3):
    return datetime(2026, month, day, hour, minute)


TIMES = {
    "2026-03-29 01:59:59.5": datetime(2026, 3, 29, 0, 59, 59, 500_000),
    "2026-03-29T02:30:00": utc(29, 1, 30),  # does not exist: as if the clocks had not changed yet
    "2026-03-29 03:30": utc(29, 1, 30),
    "2026-3-9 1:2:3": datetime(2026, 3, 9, 0, 2, 3),
    "2026-03-29": utc(28, 23),
    "2026-03-30": utc(29, 22),
    "2026-10-25 02:30:00": utc(25, 0, 30, month=10),  # exists twice: the first
    "2026-10-25T02:30:00+01:00": utc(25, 1, 30, month=10),
    "2026-10-25 02:30:00Z": utc(25, 2, 30, month=10),
    "2026-10-25 02:30:00 America/New_York": utc(25, 6, 30, month=10),
    "2026-10-26": utc(25, 23, month=10),
}
NO_TIMES = ["now", "today", "12:30", "2026", "2026-03", "176732", "1767322800", "20260102"]
NO_TIMES += ["2026-02-30", "2026-01-02 25:00:00", "2026-01-02 03:04:05 Atlantis/Capital", "soon"]


def test_a_time_without_a_zone_is_one_of_the_inputs_zone_and_an_offset_keeps_its_instant(spark):
    at = Field("at", "event_at", "timestamp")
    rows = [(text,) for text in TIMES]
    assert [row[0] for row in typed(spark, rows, "at string", at, time_zone=BERLIN)] == list(
        TIMES.values()
    )
    day = datetime(2026, 3, 29, 2, 30)
    stored = typed(
        spark,
        [(day, day.date(), day.replace(tzinfo=UTC))],
        "plain timestamp_ntz, day date, instant timestamp",
        *(Field(name, name, "timestamp") for name in ("plain", "day", "instant")),
        time_zone=BERLIN,
    )
    assert stored == [(utc(29, 1, 30), utc(28, 23), day)]


def test_what_is_not_a_whole_date_is_no_time(spark):
    at = Field("at", "event_at", "timestamp")
    found = typed(spark, [(text,) for text in NO_TIMES], "at string", at, time_zone=BERLIN)
    assert [row[0] for row in found] == [None] * len(NO_TIMES)


def test_numbers_are_those_of_people_and_nan_is_missing_only_in_a_feature(spark):
    texts = ["1", " 2.5 ", "-3e2", "NaN", "1d", "0x1p3", "1_000", "3,5", ""]
    fields = [Field("x", "feature", "double", is_feature=True), Field("x", "value", "double")]
    found = typed(spark, [(text,) for text in texts], "x string", *fields)
    assert [row.feature for row in found] == [1.0, 2.5, -300.0, *[None] * 6]
    assert str(found[3].value) == "nan"
    assert [row.value for row in found if row.value == row.value] == [1.0, 2.5, -300.0, *[None] * 5]


@pytest.mark.parametrize(
    ("row", "schema", "type_", "sentence"),
    [
        ((1767322800,), "x bigint", "timestamp", "bigint .* seconds or milliseconds"),
        (([1.0],), "x array<double>", "double", r"array<double> in every row; it cannot be read"),
        (
            (date(2026, 1, 2),),
            "x date",
            "double",
            "type date in every row; it cannot be read as double",
        ),
    ],
)
def test_a_column_of_another_type_is_refused_as_a_whole(spark, row, schema, type_, sentence):
    frame = spark.createDataFrame([row], schema)
    with pytest.raises(ContractError, match=sentence):
        require_fields(frame, [Field("x", "x", type_)], source="log")
