"""Standard errors: by hand, from known variances, and by coverage of a known effect."""

import numpy as np
import pytest

from tests.forest.builders import a_log, small_forest
from uplift.errors import ContractError
from uplift.forest import ForestRows, ForestSettings, effects_with_errors, grow_forest
from uplift.forest.bins import Matrix, Vector


def test_effects_are_those_of_the_forest_itself() -> None:
    rows = a_log()
    forest = small_forest(rows)
    found = effects_with_errors(forest, rows.features)
    np.testing.assert_allclose(found.cate, forest.cate(rows.features), rtol=0, atol=1e-12)
    assert (found.standard_error > 0.0).all()


def test_trees_that_stand_alone_give_no_errors() -> None:
    rows = a_log()
    forest = small_forest(rows, trees_per_group=1)
    with pytest.raises(ContractError, match="8 of 1 trees"):
        effects_with_errors(forest, rows.features)


def smooth_effect(features: Matrix) -> Vector:
    """Wager and Athey (JASA 2018), equation 28: a product of two logistic steps."""
    steps = 1.0 + 1.0 / (1.0 + np.exp(-20.0 * (features[:, :2] - 1.0 / 3.0)))
    return np.asarray(steps.prod(axis=1))


def coverage(seed: int, *, n_rows: int, n_features: int, n_trees: int) -> float:
    """Share of 1,000 new customers whose effect lies in its 95 % interval."""
    rng = np.random.default_rng(seed)
    features = rng.random((n_rows, n_features))
    arm = rng.integers(0, 2, n_rows)
    outcome = (arm - 0.5) * smooth_effect(features) + rng.normal(size=n_rows)
    settings = ForestSettings.for_intervals(n_trees)
    forest = grow_forest(
        ForestRows(features, arm, outcome, np.full(n_rows, 0.5)), 2, settings=settings, seed=seed
    )
    people = rng.random((1000, n_features))
    found = effects_with_errors(forest, people)
    off = np.abs(found.cate[:, 0] - smooth_effect(people))
    return float(np.mean(off <= 1.959964 * found.standard_error[:, 0]))


@pytest.mark.slow
def test_intervals_cover_the_smooth_effect() -> None:
    # Customers of one log err together: the coverage of one log has a standard deviation of 0.02.
    covered = [coverage(seed, n_rows=2000, n_features=2, n_trees=400) for seed in range(3)]
    assert 0.90 <= np.mean(covered) <= 0.98


@pytest.mark.long
@pytest.mark.parametrize(("n_rows", "n_features"), [(5000, 2), (5000, 4), (10_000, 6)])
def test_intervals_cover_the_smooth_effect_of_larger_logs(n_rows: int, n_features: int) -> None:
    covered = [
        coverage(seed, n_rows=n_rows, n_features=n_features, n_trees=1000) for seed in range(5)
    ]
    assert 0.90 <= np.mean(covered) <= 0.98
