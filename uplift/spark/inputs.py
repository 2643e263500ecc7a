"""Read what the company logged, rename it to our columns, and part good rows from broken ones.

From here on names are those of ``uplift.columns`` and the features; arms are still names. A table
that as a whole is not what it should be is refused here; a row that is not is set aside with its
reason, see ``uplift.spark.row_rules`` for the rules and ``uplift.spark.quarantine`` for the rest.
"""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from uplift import columns
from uplift.config import Campaign, FlatLog, RawInputs, StaticFeature
from uplift.errors import ConfigError
from uplift.spark.contracts import require_columns
from uplift.spark.event_features import LARGEST_VALUE
from uplift.spark.fields import Field, require_fields, typed_columns
from uplift.spark.row_rules import Contracted, Rule, contracted, field_rules
from uplift.spark.sources import number_rows, open_table

_TYPE_OF_KIND = {"numeric": "double", "categorical": "string"}
_ROW_NUMBER = "__row_number"
_UTC = "UTC"


def read_assignments(spark: SparkSession, raw: RawInputs, campaign: Campaign) -> Contracted:
    """Who was assigned what: arm names, UTC times, ``propensity`` null where not logged.

    A null or blank ``cluster_id`` means that the unit itself was drawn; an absent ``logged_at`` is
    null. In rows of the campaign's experiments an arm is one of the campaign or of
    ``campaign.ignore_arms``; others may have any.
    """
    frame = open_table(spark, raw.assignments, raw.format, key="inputs.raw.assignments")
    present = frame.columns
    fields = [
        Field(columns.EXPERIMENT_ID, columns.EXPERIMENT_ID, "string", is_key=True),
        Field(columns.UNIT_ID, columns.UNIT_ID, "string", is_key=True),
        Field(columns.ARM, columns.ARM, "string", is_key=True),
        Field(columns.ASSIGNED_AT, columns.ASSIGNED_AT, "timestamp", is_key=True),
        Field(_if_in(present, columns.PROPENSITY), columns.PROPENSITY, "double"),
        Field(_if_in(present, columns.CLUSTER_ID), columns.CLUSTER_ID, "string"),
        Field(_if_in(present, columns.LOGGED_AT), columns.LOGGED_AT, "timestamp"),
    ]
    require_fields(frame, fields, source=raw.assignments)
    values = typed_columns(frame, fields, time_zone=raw.time_zone)
    is_ours = values[columns.EXPERIMENT_ID].isin([one.id for one in campaign.pooled])
    return contracted(
        frame,
        present,
        values | {columns.CLUSTER_ID: _cluster_id(values)},
        [
            *field_rules(frame, fields, time_zone=raw.time_zone),
            _no_chance(values),
            _unknown_arm(values, campaign, where=is_ours),
        ],
        table="assignments",
        source=raw.assignments,
    )


def read_events(spark: SparkSession, raw: RawInputs, *, may_be_empty: bool = False) -> Contracted:
    """What happened: unit, type, UTC time; value and ``logged_at`` null where there is none.

    Event types that no feature and no outcome asks for are kept: they are not needed, not broken.
    """
    frame = open_table(
        spark, raw.events, raw.format, key="inputs.raw.events", may_be_empty=may_be_empty
    )
    fields = [
        Field(columns.UNIT_ID, columns.UNIT_ID, "string", is_key=True),
        Field(columns.EVENT_TYPE, columns.EVENT_TYPE, "string", is_key=True),
        Field(columns.EVENT_AT, columns.EVENT_AT, "timestamp", is_key=True),
        Field(_if_in(frame.columns, columns.VALUE), columns.VALUE, "double"),
        Field(_if_in(frame.columns, columns.LOGGED_AT), columns.LOGGED_AT, "timestamp"),
    ]
    require_fields(frame, fields, source=raw.events)
    values = typed_columns(frame, fields, time_zone=raw.time_zone)
    rules = [
        *field_rules(frame, fields, time_zone=raw.time_zone),
        _too_large(values, columns.VALUE),
    ]
    if raw.negative_values == "set_aside":
        rules.append(_negative(values, columns.VALUE))
    return contracted(frame, frame.columns, values, rules, table="events", source=raw.events)


def read_customers(
    spark: SparkSession, raw: RawInputs, static: Sequence[StaticFeature]
) -> Contracted:
    """Who they are: unit, the declared attributes, ``contactable``.

    Without a ``contactable`` column everybody is; with one, a null is a no.
    """
    frame = open_table(spark, raw.customers, raw.format, key="inputs.raw.customers")
    contactable = _if_in(frame.columns, columns.CONTACTABLE)
    fields = [
        Field(columns.UNIT_ID, columns.UNIT_ID, "string", is_key=True),
        Field(contactable, columns.CONTACTABLE, "boolean"),
        *_feature_fields(static),
    ]
    require_fields(frame, fields, source=raw.customers)
    values = typed_columns(frame, fields, time_zone=raw.time_zone)
    permission = F.coalesce(values[columns.CONTACTABLE], F.lit(contactable is None))
    return contracted(
        frame,
        frame.columns,
        values | {columns.CONTACTABLE: permission},
        field_rules(frame, fields, time_zone=raw.time_zone),
        table="customers",
        source=raw.customers,
        unique=columns.UNIT_ID,
    )


def read_flat_log(
    spark: SparkSession, flat_log: FlatLog, static: Sequence[StaticFeature], campaign: Campaign
) -> Contracted:
    """One row per unit: unit, cluster, arm name, propensity, outcomes, features.

    Without a unit column the row number, from 1, is the unit: identical rows are different
    customers. Without a cluster column, or where it is blank, the unit itself was drawn.
    ``propensity`` and ``revenue`` are null where the log has no such column.
    """
    if flat_log.path is None:
        raise ConfigError(
            "`inputs.flat_log.path` is null, so there is no log to read. Give --log PATH, "
            "or set the environment variable UPLIFT_LOG."
        )
    frame = open_table(spark, flat_log.path, flat_log.format, key="inputs.flat_log.path")
    present = frame.columns
    fields = [
        Field(flat_log.arm, columns.ARM, "string", is_key=True),
        Field(flat_log.cluster_id, columns.CLUSTER_ID, "string"),
        Field(flat_log.propensity, columns.PROPENSITY, "double"),
        Field(flat_log.conversion, columns.CONVERSION, "double"),
        Field(flat_log.revenue, columns.REVENUE, "double"),
    ]
    _refuse_leaks(fields, static)
    fields += _feature_fields(static)
    if flat_log.unit_id is None:
        given = [field.given for field in fields if field.given is not None]
        require_columns(frame, given, source=flat_log.path)  # before a column of ours joins them
        frame = number_rows(frame, _ROW_NUMBER)
    unit = flat_log.unit_id or _ROW_NUMBER
    fields.insert(0, Field(unit, columns.UNIT_ID, "string", is_key=True))
    require_fields(frame, fields, source=flat_log.path)
    values = typed_columns(frame, fields, time_zone=_UTC)
    return contracted(
        frame,
        present,
        values | {columns.CLUSTER_ID: _cluster_id(values)},
        [
            *field_rules(frame, fields, time_zone=_UTC),
            _too_large(values, columns.REVENUE),
            _no_chance(values),
            _unknown_arm(values, campaign, where=F.lit(True)),
            _not_binary(values, flat_log.conversion),
        ],
        table="flat_log",
        source=flat_log.path,
        unique=None if flat_log.unit_id is None else columns.UNIT_ID,
    )


def _cluster_id(values: Mapping[str, Column]) -> Column:
    given = values[columns.CLUSTER_ID]
    return F.coalesce(F.when(F.trim(given) != "", given), values[columns.UNIT_ID])


def _if_in(present: Sequence[str], name: str) -> str | None:
    return name if name in present else None


def _feature_fields(static: Sequence[StaticFeature]) -> list[Field]:
    return [Field(f.name, f.name, _TYPE_OF_KIND[f.kind], is_feature=True) for f in static]


def _refuse_leaks(outcomes_and_arm: Sequence[Field], static: Sequence[StaticFeature]) -> None:
    taken = {field.given: field.ours for field in outcomes_and_arm if field.given is not None}
    leaks = [f"`{f.name}` is the {taken[f.name]}" for f in static if f.name in taken]
    if leaks:
        raise ConfigError(
            f"{len(leaks)} of {len(static)} features are not known before the experiment: "
            f"{', '.join(leaks)}. Take them out of `features.static`."
        )


def _no_chance(values: Mapping[str, Column]) -> Rule:
    propensity = values[columns.PROPENSITY]
    return Rule(
        "the propensity is not above 0 and up to 1",
        (propensity <= 0.0) | (propensity > 1.0),
        propensity,
        "Log the chance of the arm drawn, or null.",
    )


def _unknown_arm(values: Mapping[str, Column], campaign: Campaign, *, where: Column) -> Rule:
    known = [*campaign.arms.names, *campaign.ignore_arms]
    return Rule(
        "the arm is unknown to the campaign",
        where & ~values[columns.ARM].isin(known),
        values[columns.ARM],
        "Add it to `campaign.treatments`, or leave its rows out with `campaign.ignore_arms`.",
    )


def _not_binary(values: Mapping[str, Column], given: str) -> Rule:
    conversion = values[columns.CONVERSION]
    return Rule(
        f"`{given}` is not 0 or 1",
        conversion.isNull() | ~conversion.isin(0.0, 1.0),
        conversion,
        "Map `inputs` to a column that says whether the customer converted, not how much.",
    )


def _too_large(values: Mapping[str, Column], name: str) -> Rule:
    return Rule(
        f"the {name} is beyond {LARGEST_VALUE:g}",
        F.abs(values[name]) > LARGEST_VALUE,
        values[name],
        "Correct these rows, or log a larger unit.",
    )


def _negative(values: Mapping[str, Column], name: str) -> Rule:
    return Rule(
        f"the {name} is negative",
        values[name] < 0.0,
        values[name],
        "Correct these rows, or allow refunds with `inputs.raw.negative_values: keep`.",
    )
