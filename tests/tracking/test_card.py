"""The card tells what a model learned from, what moves its effects, and what it cannot do."""

import json

import numpy as np
import pyarrow as pa
import pytest

from tests.tracking.builders import fitted_model, raw_features
from uplift.learners.explanation import EffectExplainer
from uplift.tracking.card import LIMITS, Origin, card_markdown, judged_card, model_card

ORIGIN = Origin("training_set", "c" * 32, 900, "fail", "Jane Doe")
VALIDATION = {"autoc.estimate": 0.02, "autoc.low": None}


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    frame = pa.Table.from_pandas(raw_features(900), preserve_index=False)
    return fitted_model().encoder.encode(frame)


@pytest.fixture(scope="module")
def card(features: np.ndarray) -> dict[str, object]:
    return model_card(fitted_model(), features, origin=ORIGIN, validation=VALIDATION)


def test_importance_is_the_mean_size_of_what_a_feature_adds_to_the_effect(
    card: dict[str, object], features: np.ndarray
) -> None:
    effects = card["effects"]
    assert list(effects) == ["coupon_5", "coupon_10"]  # type: ignore[call-overload]
    rows = np.ascontiguousarray(features[:500])
    added = EffectExplainer(fitted_model(), rows).explain(rows).contributions[:, 1]
    for column, name in enumerate(("age", "region")):
        found = effects["coupon_10"][name]  # type: ignore[index]
        assert found["importance"] == pytest.approx(np.abs(added[:, column]).mean())
    assert effects["coupon_10"]["region"]["direction"] < -0.5  # type: ignore[index]  # 0 is north


def test_the_card_is_json_and_the_same_twice(card: dict[str, object], features: np.ndarray) -> None:
    again = model_card(fitted_model(), features, origin=ORIGIN, validation=VALIDATION)
    assert json.dumps(card, allow_nan=False) == json.dumps(again, allow_nan=False)


def test_people_read_verdict_numbers_and_limits(card: dict[str, object]) -> None:
    text = card_markdown(card)
    assert f"# Model {fitted_model().version}" in text
    assert "The experiment's verdict: fail, Jane Doe." in text
    assert "validation, autoc.low: unknown" in text
    assert "held-out customers have not judged it yet" in text
    cells = [row.split("|") for row in text.splitlines() if row.startswith(("| age", "| region"))]
    shown = [float(cell[2]) for cell in cells[:2]]
    assert shown == sorted(shown, reverse=True)
    assert all(limit in text for limit in LIMITS)


def test_once_judged_it_says_how_and_why(card: dict[str, object]) -> None:
    metrics = {"AUTOC": {"estimate": 0.0213, "low": 0.01, "high": None}}
    judged = judged_card(card, metrics, ["The ranking beats chance."])
    text = card_markdown(judged)
    assert "AUTOC: 0.0213 (0.01 to unknown)" in text
    assert "- The ranking beats chance." in text
    assert "not judged it yet" not in text
    assert "evaluation" not in card


def test_a_feature_that_does_not_vary_has_no_direction(features: np.ndarray) -> None:
    flat = features.copy()
    flat[:, 0] = 40.0
    found = model_card(fitted_model(), flat, origin=ORIGIN, validation={})
    assert found["effects"]["coupon_5"]["age"]["direction"] is None  # type: ignore[index]
