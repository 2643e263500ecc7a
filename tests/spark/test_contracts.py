import pytest

from uplift.arms import Arms
from uplift.errors import ContractError
from uplift.spark.contracts import (
    column,
    require_columns,
    require_known_arms,
    require_rows,
    require_values,
)

pytestmark = pytest.mark.spark

ARMS = Arms(("no_coupon", "coupon_5", "coupon_10"))


def log_of(spark, *arms):
    return spark.createDataFrame(
        [(str(i), arm) for i, arm in enumerate(arms)], "unit_id string, arm string"
    )


def test_a_column_with_dots_spaces_and_backticks_is_found_by_its_name(spark):
    frame = spark.createDataFrame([(1,)], ["a.b `c`"])
    assert frame.select(column("a.b `c`")).first()[0] == 1


def test_all_missing_columns_are_named_at_once_each_with_the_nearest(spark):
    frame = spark.createDataFrame([(1, 2)], ["Unit_ID", "revenue"])

    with pytest.raises(ContractError) as caught:
        require_columns(frame, ["unit_id", "revenu", "zip"], source="log.csv")

    message = str(caught.value)
    assert message.startswith("log.csv lacks 3 of 3 columns")
    assert "`unit_id` (is it `Unit_ID`?)" in message
    assert "`revenu` (is it `revenue`?)" in message
    assert "`zip`." in message


def test_a_file_without_any_column_is_called_empty(spark):
    frame = spark.createDataFrame([], "").select()
    with pytest.raises(ContractError, match="is empty: it has no column at all, 1 are needed"):
        require_columns(frame, ["unit_id"], source="log.csv")


def test_columns_that_are_there_are_no_complaint(spark):
    require_columns(spark.range(1), ["id"], source="log.csv")


def test_an_empty_table_is_refused(spark):
    require_rows(spark.range(1), source="log.csv")
    with pytest.raises(ContractError, match=r"log\.csv is empty: 0 rows"):
        require_rows(spark.range(0), source="log.csv")


def test_arm_names_become_numbers_in_declared_order(spark):
    log = log_of(spark, "coupon_10", "no_coupon", "coupon_5")

    numbered = require_known_arms(log, ARMS, source="log.csv")

    assert {row.unit_id: row.arm for row in numbered.collect()} == {"0": 2, "1": 0, "2": 1}
    assert dict(numbered.dtypes)["arm"] == "int"


def test_rows_of_ignored_arms_are_left_out(spark):
    log = log_of(spark, "coupon_10", "no_coupon", "coupon_5", "coupon_15", "coupon_15")
    assert require_known_arms(log, ARMS, ["coupon_15"], source="log.csv").count() == 3


@pytest.mark.parametrize(
    ("arms", "sentence"),
    [
        ([], "is empty: 0 rows"),
        (["no_coupon"] * 4, "has no row of 2 of the campaign's 3 arms: 'coupon_5', 'coupon_10'"),
        (["no_coupon", "coupon_5"], "its 2 rows are of 'coupon_5', 'no_coupon'"),
        (["no_coupon", None], "the arm is null in 1 of 2 rows"),
        (["no_coupon", "Coupon_5"], "1 of 2 rows with an arm unknown to the campaign: 'Coupon_5'"),
        (list("abcdefg"), "7 of 7 rows .* 'a', 'b', 'c', 'd', 'e' and 2 more"),
    ],
)
def test_arms_that_break_the_design_are_named_with_their_rows(spark, arms, sentence):
    with pytest.raises(ContractError, match=sentence):
        require_known_arms(log_of(spark, *arms), ARMS, source="log.csv")


def test_an_unknown_arm_names_both_ways_out(spark):
    with pytest.raises(ContractError, match=r"campaign\.treatments.*campaign\.ignore_arms"):
        require_known_arms(log_of(spark, "coupon_15"), ARMS, source="log.csv")


@pytest.mark.parametrize(("bad", "shown"), [(2.0, "2.0"), (0.5, "0.5"), (None, "null")])
def test_a_conversion_is_0_or_1(spark, bad, shown):
    frame = spark.createDataFrame([(0.0,), (1.0,), (bad,)], "conversion double")
    with pytest.raises(ContractError, match=f"in 1 of 3 rows, such as {shown}"):
        require_values(frame, binary=["conversion"], source="log.csv")


def test_a_boolean_conversion_cast_to_double_is_binary(spark):
    frame = spark.createDataFrame([(0.0,), (1.0,)], "conversion double")
    require_values(frame, binary=["conversion"], source="log.csv")


def test_a_key_is_never_null(spark):
    frame = spark.createDataFrame([("ann",), (None,)], "unit_id string")
    with pytest.raises(ContractError, match=r"`unit_id` of log\.csv is null in 1 of 2 rows"):
        require_values(frame, keys=["unit_id"], source="log.csv")


def test_a_feature_without_any_value_is_refused_and_one_with_a_gap_is_not(spark):
    frame = spark.createDataFrame([(None, 1.0), (None, None)], "age double, tenure double")
    require_values(frame, features=["tenure"], source="log.csv")
    with pytest.raises(ContractError, match="1 of 2 features have no value in any of the 2 rows"):
        require_values(frame, features=["age", "tenure"], source="log.csv")


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.5])
def test_a_chance_is_above_0_and_up_to_1_or_not_logged(spark, bad):
    frame = spark.createDataFrame([(0.5,), (1.0,), (None,)], "propensity double")
    require_values(frame, chances=["propensity"], source="log.csv")
    broken = frame.union(spark.createDataFrame([(bad,)], "propensity double"))
    with pytest.raises(ContractError, match=f"in 1 of 4 rows, such as {bad}"):
        require_values(broken, chances=["propensity"], source="log.csv")


def test_values_of_an_empty_table_are_refused(spark):
    with pytest.raises(ContractError, match="is empty: 0 rows"):
        require_values(spark.range(0), keys=["id"], source="log.csv")
