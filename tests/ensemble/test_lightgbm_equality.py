"""Against LightGBM itself: the same raw score, bit for bit, wherever trees could go wrong."""

import math
from collections.abc import Mapping
from functools import cache

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ensemble.builders import STRANGER
from uplift.ensemble import FlatEnsemble, compile_lightgbm
from uplift.ensemble.decisions import CATEGORICAL
from uplift.ensemble.flat import Matrix

N_FEATURES = 5
SMALL, LARGE = 3, 4  # the categorical features

CASES: Mapping[str, Mapping[str, object]] = {
    "plain": {},
    "regression": {"objective": "regression"},
    "a steeper sigmoid": {"sigmoid": 2.5},
    "no start at the average": {"boost_from_average": False},
    "NaN is zero": {"use_missing": False},
    "zero is missing": {"zero_as_missing": True},
    "one category against the rest": {"max_cat_to_onehot": 1000},
    "sets of categories": {"max_cat_to_onehot": 1, "cat_smooth": 1, "min_data_per_group": 3},
    "two leaves": {"num_leaves": 2},
    "more leaves than a short word has bits": {"num_leaves": 50, "min_data_in_leaf": 3},
    "more leaves than a long word has bits": {"num_leaves": 120, "min_data_in_leaf": 2},
    "no split at all": {"min_data_in_leaf": 10_000},
    "random thresholds": {"extra_trees": True},
    "every value its own bin": {"min_data_in_bin": 1, "max_bin": 1000},
    "few bins": {"max_bin": 4},
    "many features out": {"feature_fraction": 0.3, "bagging_fraction": 0.5, "bagging_freq": 1},
}


def training_rows() -> tuple[Matrix, Matrix]:
    rng = np.random.default_rng(12)
    n_rows = 600
    features = rng.normal(size=(n_rows, N_FEATURES))
    features[rng.random(n_rows) < 0.3, 0] = np.nan
    features[rng.random(n_rows) < 0.4, 1] = 0.0
    features[:, 2] = np.exp(20 * features[:, 2]) * rng.choice([-1.0, 1.0], n_rows)
    features[:, SMALL] = rng.integers(0, 4, n_rows)
    features[:, LARGE] = rng.integers(0, 150, n_rows)
    features[rng.random(n_rows) < 0.1, LARGE] = np.nan
    signal = (
        np.isnan(features[:, 0])
        + (features[:, 1] == 0.0) * np.nan_to_num(features[:, 0])
        + (features[:, SMALL] == 2)
        + (np.nan_to_num(features[:, LARGE]) % 7 < 3)
        + np.sign(features[:, 2])
    )
    return features, (signal + rng.normal(size=n_rows) > 1.0).astype(np.float64)


@cache
def fitted(case: str) -> tuple[lightgbm.Booster, FlatEnsemble]:
    features, outcome = training_rows()
    parameters = {
        "objective": "binary",
        "num_leaves": 15,
        "verbosity": -1,
        "num_threads": 1,
        "seed": 3,
        "feature_pre_filter": False,
        **CASES[case],
    }
    dataset = lightgbm.Dataset(
        features, outcome, categorical_feature=[SMALL, LARGE], params=parameters
    )
    booster = lightgbm.train(parameters, dataset, num_boost_round=25)
    return booster, compile_lightgbm(booster.model_to_string())


def rows_at_the_thresholds(ensemble: FlatEnsemble) -> Matrix:
    """Real rows, with a value on, just above or just below a threshold in place of theirs."""
    rng = np.random.default_rng(13)
    numeric = np.flatnonzero((ensemble.decision & CATEGORICAL) == 0)
    nodes = np.tile(numeric, 3)
    features, _ = training_rows()
    rows = features[rng.integers(0, len(features), len(nodes))]
    on = ensemble.threshold[nodes]
    towards = np.repeat([math.nan, math.inf, -math.inf], len(numeric))
    values = np.where(np.isnan(towards), on, np.nextafter(on, towards))
    rows[np.arange(len(nodes)), ensemble.feature[nodes]] = values
    return rows


def strange_rows(n_rows: int) -> Matrix:
    """Real rows with a strange value in some places, as many as not in the categorical ones."""
    rng = np.random.default_rng(14)
    features, _ = training_rows()
    rows = features[rng.integers(0, len(features), n_rows)]
    where = rng.random(rows.shape) < 0.5
    rows[where] = rng.choice(STRANGER, size=int(where.sum()))
    return rows


@pytest.mark.parametrize("case", CASES)
def test_the_raw_score_is_that_of_lightgbm_to_the_last_bit(case: str) -> None:
    booster, ensemble = fitted(case)
    rows = np.vstack([training_rows()[0], rows_at_the_thresholds(ensemble), strange_rows(2000)])
    expected = booster.predict(rows, raw_score=True)
    assert ensemble.raw(rows)[:, 0].tobytes() == expected.tobytes()


@pytest.mark.parametrize("case", ["plain", "regression", "a steeper sigmoid"])
def test_the_answer_is_that_of_lightgbm(case: str) -> None:
    booster, ensemble = fitted(case)
    rows = strange_rows(500)
    np.testing.assert_array_max_ulp(ensemble.predict(rows)[:, 0], booster.predict(rows), maxulp=1)


def test_the_cases_reach_every_kind_of_decision() -> None:
    kinds = {int(kind) for case in CASES for kind in np.unique(fitted(case)[1].decision)}
    missing = {kind & 12 for kind in kinds if not kind & CATEGORICAL}
    assert missing == {0, 4, 8}
    assert any(kind & CATEGORICAL for kind in kinds)
    assert len(fitted("no split at all")[1].feature) == 0
    by_leaves = ("plain", *(case for case in CASES if "leaves" in case))
    plain, two, short, long = (max(np.diff(fitted(case)[1].roots)) + 1 for case in by_leaves)
    assert two == 2 < plain <= 32 < short <= 64 < long


@given(
    row=st.lists(
        st.floats(width=64) | st.sampled_from(STRANGER) | st.integers(-3, 200).map(float),
        min_size=N_FEATURES,
        max_size=N_FEATURES,
    ),
    case=st.sampled_from(["plain", "zero is missing", "NaN is zero", "sets of categories"]),
)
@settings(max_examples=100, deadline=None)
def test_any_row_at_all_gets_the_raw_score_of_lightgbm(row: list[float], case: str) -> None:
    booster, ensemble = fitted(case)
    features = np.array([row])
    expected = booster.predict(features, raw_score=True)
    assert ensemble.raw(features)[:, 0].tobytes() == expected.tobytes()


def test_single_precision_features_widened_are_what_lightgbm_sees() -> None:
    booster, ensemble = fitted("plain")
    narrow = training_rows()[0].astype(np.float32)
    expected = booster.predict(narrow, raw_score=True)
    assert ensemble.raw(narrow.astype(np.float64))[:, 0].tobytes() == expected.tobytes()
