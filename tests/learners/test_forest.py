"""The causal forest behind the learners' door."""

import numpy as np
import pytest

from tests.learners.builders import recipe_of
from uplift.ensemble.little_bags import effect_standard_errors
from uplift.errors import ExperimentError
from uplift.forest import ForestSettings, effects_with_errors
from uplift.learners.data import TrainingData
from uplift.learners.forest import fit_causal_forest, fit_forest
from uplift.learners.recipe import Options

SETTINGS = ForestSettings(n_trees=20, max_depth=3, min_leaf_rows=40, min_arm_rows=10)


def a_campaign() -> TrainingData:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(3000, 3))
    arm = rng.integers(0, 2, 3000)
    outcome = (rng.random(3000) < 0.2 + 0.4 * arm * (features[:, 1] > 0)).astype(np.float64)
    return TrainingData(features, arm, outcome, np.full(3000, 0.5))


def test_the_ensemble_answers_for_every_arm_and_the_forest_knows_how_surely() -> None:
    data = a_campaign()
    ensemble, forest = fit_causal_forest(
        data, 2, settings=SETTINGS, categorical=(), seed=1, min_arm_rows=100
    )
    expected = ensemble.predict(data.features)
    assert expected.shape == (3000, 2)
    found = effects_with_errors(forest, data.features)
    np.testing.assert_allclose(found.cate[:, 0], expected[:, 1] - expected[:, 0], atol=1e-12)
    helped = data.features[:, 1] > 0
    assert found.cate[helped].mean() > 0.3
    assert found.cate[~helped].mean() < 0.1


def test_an_arm_with_too_few_rows_is_an_error() -> None:
    with pytest.raises(ExperimentError, match="needs at least 2000"):
        fit_causal_forest(
            a_campaign(), 2, settings=SETTINGS, categorical=(), seed=1, min_arm_rows=2000
        )


def test_a_doubly_robust_forest_has_helpers_answers_chances_and_knows_how_surely() -> None:
    data = a_campaign()
    plain, helped = (
        fit_forest(
            data,
            2,
            recipe_of(
                objective="binary",
                options=Options(forest=SETTINGS, doubly_robust=doubly_robust),
            ),
        )
        for doubly_robust in (False, True)
    )
    assert plain.digest() != helped.digest()
    assert (plain.link, helped.link) == ("identity", "clipped")
    effects = helped.predict(data.features) @ [-1.0, 1.0]
    assert effects[data.features[:, 1] > 0].mean() > 0.3
    assert effects[data.features[:, 1] <= 0].mean() < 0.1
    errors = effect_standard_errors(helped, data.features)
    assert errors is not None
    assert (errors > 0.0).all()
