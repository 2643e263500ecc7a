"""Named numbers for raw features."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.tracking.builders import fitted_model, raw_features
from uplift.errors import ContractError
from uplift.tracking.answers import answer, answer_columns


def test_uplift_is_the_expected_outcome_of_the_named_arm_minus_that_of_control() -> None:
    given = answer(fitted_model(), raw_features(20))
    assert list(given.columns) == answer_columns(fitted_model())
    for outcome in ("conversion", "revenue"):
        for arm in ("coupon_5", "coupon_10"):
            effect = (
                given[f"expected_{outcome}_{arm}"] - given[f"expected_{outcome}_no_coupon"]
            ).rename(f"uplift_{outcome}_{arm}")
            pd.testing.assert_series_equal(given[effect.name], effect, check_exact=True)


def test_the_numbers_are_those_of_the_model_row_by_row() -> None:
    model, frame = fitted_model(), raw_features(20)
    features = model.encoder.encode(pa.Table.from_pandas(frame, preserve_index=False))
    expected = np.hstack([model.expected_outcome(features), model.cate(features)])
    np.testing.assert_array_equal(answer(model, frame).iloc[:, :5].to_numpy(), expected)


def test_rows_keep_their_index_and_other_columns_are_left_aside() -> None:
    frame = raw_features(3).set_index(pd.Index(["ann", "bob", "eve"]))
    given = answer(fitted_model(), frame.assign(note="x")[["note", "region", "age"]])
    pd.testing.assert_frame_equal(given, answer(fitted_model(), frame))
    assert list(given.index) == ["ann", "bob", "eve"]


def test_a_missing_value_is_the_same_in_every_dialect_of_pandas() -> None:
    numpy_style = pd.DataFrame({"age": [np.nan], "region": [None]})
    pandas_style = pd.DataFrame(
        {"age": pd.array([pd.NA], "Float64"), "region": pd.array([pd.NA], "string")}
    )
    pd.testing.assert_frame_equal(
        answer(fitted_model(), numpy_style), answer(fitted_model(), pandas_style)
    )


def test_a_category_that_training_has_not_seen_counts_as_missing() -> None:
    frame = raw_features(5)
    pd.testing.assert_frame_equal(
        answer(fitted_model(), frame.assign(region="Atlantis")),
        answer(fitted_model(), frame.assign(region=None)),
    )


def test_a_missing_feature_is_named() -> None:
    with pytest.raises(ContractError, match="age"):
        answer(fitted_model(), raw_features(2)[["region"]])


def test_text_among_numbers_is_a_contract_error() -> None:
    frame = pd.DataFrame({"age": [1.0, "old"], "region": ["north", "north"]}, dtype="object")
    with pytest.raises(ContractError, match="mixed type"):
        answer(fitted_model(), frame)
