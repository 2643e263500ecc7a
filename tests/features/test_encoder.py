import json
import math
import pickle
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uplift.errors import ContractError
from uplift.features.encoder import FeatureEncoder, fit_encoder
from uplift.features.spec import FeatureColumn

AGE = FeatureColumn("age", "numeric")
CITY = FeatureColumn("city", "categorical")
NAN = math.nan


def encoder():
    return fit_encoder([AGE, CITY], {"city": ["Ulm", "Bonn", "Ulm"]})


def assert_same_numbers(got, expected):
    np.testing.assert_array_equal(got, np.array(expected, dtype=np.float64))


def test_numbers_stay_and_categories_become_places_in_name_order():
    table = pa.table({"city": ["Bonn", "Ulm", "Oz", None], "age": [31.5, None, NAN, -2.0]})
    matrix = encoder().encode(table)
    assert_same_numbers(matrix, [[31.5, 0.0], [NAN, 1.0], [NAN, NAN], [-2.0, NAN]])
    assert matrix.dtype == np.float64
    assert matrix.flags.c_contiguous


def test_a_single_request_gets_the_row_that_a_table_gives():
    assert_same_numbers(encoder().encode_one({"age": 31, "city": "Ulm"}), [[31.0, 1.0]])
    assert_same_numbers(encoder().encode_one({"age": None, "city": None}), [[NAN, NAN]])
    assert_same_numbers(encoder().encode_one({"age": NAN, "city": "Oz"}), [[NAN, NAN]])


NUMERIC_TYPES = [
    (pa.int8(), [3, None], [3.0, NAN]),
    (pa.int64(), [2**53 + 1, None], [float(2**53 + 1), NAN]),
    (pa.float32(), [0.5, None], [0.5, NAN]),
    (pa.bool_(), [True, False, None], [1.0, 0.0, NAN]),
    (pa.decimal128(38, 10), [Decimal("471145.16"), None], [471145.16, NAN]),
    (pa.null(), [None, None], [NAN, NAN]),
]


@pytest.mark.parametrize(("arrow_type", "values", "expected"), NUMERIC_TYPES, ids=str)
def test_every_type_of_number_becomes_a_float(arrow_type, values, expected):
    numeric = fit_encoder([AGE], {})
    assert_same_numbers(
        numeric.encode(pa.table({"age": pa.array(values, arrow_type)}))[:, 0], expected
    )
    for value, number in zip(values, expected, strict=True):
        assert_same_numbers(numeric.encode_one({"age": value}), [[number]])


@pytest.mark.parametrize(
    "arrow_type", [pa.string(), pa.large_string(), pa.string_view(), pa.null()], ids=str
)
def test_every_type_of_text_is_a_category(arrow_type):
    cities = [None] if arrow_type == pa.null() else ["Ulm", None]
    table = pa.table({"age": [1.0] * len(cities), "city": pa.array(cities, arrow_type)})
    expected = [1.0 if city else NAN for city in cities]
    assert_same_numbers(encoder().encode(table)[:, 1], expected)


def test_dictionary_text_and_chunks_and_batches_are_read_alike():
    cities = pa.chunked_array([["Ulm"], ["Bonn", None]]).dictionary_encode()
    table = pa.table({"age": [1.0, 2.0, 3.0], "city": cities})
    expected = [[1.0, 1.0], [2.0, 0.0], [3.0, NAN]]
    assert_same_numbers(encoder().encode(table), expected)
    assert_same_numbers(encoder().encode(table.combine_chunks().to_batches()[0]), expected)


def test_no_rows_are_a_matrix_of_no_rows():
    empty = pa.table({"age": pa.array([], pa.float64()), "city": pa.array([], pa.string())})
    assert encoder().encode(empty).shape == (0, 2)


def test_all_missing_columns_are_named_at_once():
    message = r"2 of 2 features are missing: \['age', 'city'\]"
    with pytest.raises(ContractError, match=message):
        encoder().encode(pa.table({"other": [1]}))
    with pytest.raises(ContractError, match=message):
        encoder().encode_one({"other": 1})


@pytest.mark.parametrize(
    ("column", "value", "culprit"),
    [
        ("age", "abc", "'abc'"),
        ("age", "12", "'12'"),
        ("city", 12, "12"),
        ("city", True, "True"),
    ],
)
def test_the_wrong_type_names_the_feature_and_an_example(column, value, culprit):
    values = {"age": 1.0, "city": "Ulm", column: value}
    table = pa.table({name: [None, value] for name, value in values.items()})
    with pytest.raises(ContractError, match=f"{column!r} is .*2 rows .*{culprit}"):
        encoder().encode(table)
    with pytest.raises(ContractError, match=f"{column!r} is .*{culprit}"):
        encoder().encode_one(values)


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinity_is_an_error_that_counts_its_rows(value):
    numeric = fit_encoder([AGE], {})
    with pytest.raises(ContractError, match="'age' is infinite in 1 of 3 rows"):
        numeric.encode(pa.table({"age": [1.0, value, None]}))
    with pytest.raises(ContractError, match="'age' is infinite"):
        numeric.encode_one({"age": value})


def test_a_number_too_large_for_a_float_is_infinite():
    with pytest.raises(ContractError, match="'age' is infinite"):
        fit_encoder([AGE], {}).encode_one({"age": 10**400})


def test_the_order_of_rows_does_not_change_the_codes():
    forward = fit_encoder([CITY], {"city": ["Ulm", "Bonn", "Äpfel"]})
    backward = fit_encoder([CITY], {"city": ["Äpfel", "Bonn", "Ulm", "Bonn"]})
    assert forward == backward
    assert forward.categories["city"] == ("Bonn", "Ulm", "Äpfel")


def test_the_order_of_columns_and_columns_that_are_no_feature_change_nothing():
    table = pa.table({"note": ["x"], "city": ["Ulm"], "age": [31.5]})
    for names in (["age", "city"], ["city", "age"], ["note", "city", "age"]):
        assert_same_numbers(encoder().encode(table.select(names)), [[31.5, 1.0]])
    assert_same_numbers(encoder().encode_one({"city": "Ulm", "x": 1, "age": 31.5}), [[31.5, 1.0]])


def test_it_tells_which_columns_are_categorical():
    model = fit_encoder([CITY, AGE, FeatureColumn("tier", "categorical")], {"city": [], "tier": []})
    assert model.categorical_indices == (0, 2)
    assert model.names == ("city", "age", "tier")
    assert model.n_features == 3


def test_categories_and_categorical_columns_must_belong_together():
    with pytest.raises(ContractError, match=r"categories for \['town'\].*are \['city'\]"):
        fit_encoder([AGE, CITY], {"town": ["Ulm"]})


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"columns": 1, "categories": {}},
        {"columns": [{"name": "age"}], "categories": {}},
        {"columns": [{"name": "age", "kind": "ordinal"}], "categories": {}},
    ],
)
def test_a_foreign_document_is_a_contract_error(document):
    with pytest.raises(ContractError, match=r"jobs/train_model"):
        FeatureEncoder.from_document(document)


def test_it_travels_by_pickle_before_and_after_use():
    model = encoder()
    assert pickle.loads(pickle.dumps(model)) == model
    model.encode_one({"age": 1.0, "city": "Ulm"})
    assert pickle.loads(pickle.dumps(model)) == model


texts = st.text(st.characters(codec="utf-8"), max_size=4)
numbers = st.one_of(st.none(), st.floats(allow_infinity=False))
rows = st.lists(st.tuples(numbers, st.one_of(st.none(), texts)), max_size=8)


@given(known=st.sets(texts), rows=rows)
def test_a_table_and_its_single_rows_give_the_same_bits(known, rows):
    model = fit_encoder([AGE, CITY], {"city": known})
    table = pa.table(
        {
            "age": pa.array([age for age, _ in rows], pa.float64()),
            "city": pa.array([city for _, city in rows], pa.string()),
        }
    )
    matrix = model.encode(table)
    for row, (age, city) in zip(matrix, rows, strict=True):
        one = model.encode_one({"age": age, "city": city})
        np.testing.assert_array_equal(one[0], row)
        np.testing.assert_array_equal(np.signbit(one[0]), np.signbit(row))


@given(known=st.sets(texts))
def test_json_brings_back_an_equal_encoder(known):
    model = fit_encoder([CITY, AGE], {"city": known})
    document = json.loads(json.dumps(model.to_document()))
    assert FeatureEncoder.from_document(document) == model
