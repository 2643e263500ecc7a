"""Learners find effects that we put there: a randomised log with a known tau(x) for every unit."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from uplift.arms import Arms
from uplift.columns import CONVERSION, REVENUE
from uplift.features.encoder import fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.learners.base import Matrix, Vector
from uplift.learners.boosting import LocalTrainer
from uplift.learners.data import TrainingData
from uplift.learners.fit import Plan, fit_model
from uplift.learners.meta import fit_constant
from uplift.learners.model import UpliftModel

N_UNITS = 60_000
SHARES = (0.5, 0.3, 0.2)
EUROS = 40.0  # mean spend of a buyer


@dataclass(frozen=True)
class Log:
    features: Matrix
    arm: np.ndarray
    propensity: Vector
    conversion: Vector
    revenue: Vector
    tau: Matrix


@cache
def log(seed: int, *, n_units: int = N_UNITS) -> Log:
    """Two coupons: the first helps where x0 > 0, the second where x1 > 0, and harms elsewhere."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_units, 6))
    features[:, 5] = rng.integers(0, 5, n_units)
    base = 0.15 + 0.05 * np.tanh(features[:, 2]) + 0.03 * (features[:, 5] == 3)
    first = 0.12 * (features[:, 0] > 0)
    second = np.where(features[:, 1] > 0, 0.15, -0.05)
    tau = np.column_stack([first, second])
    arm = rng.choice(3, size=n_units, p=SHARES)
    chance = base + np.column_stack([np.zeros(n_units), tau])[np.arange(n_units), arm]
    conversion = (rng.random(n_units) < chance).astype(np.float64)
    revenue = conversion * rng.gamma(4.0, EUROS / 4.0, n_units)
    return Log(features, arm, np.array(SHARES)[arm], conversion, revenue, tau)


@cache
def model() -> UpliftModel:
    data = log(1)
    encoder = fit_encoder(
        [FeatureColumn(f"x{i}", "numeric") for i in range(5)]
        + [FeatureColumn("x5", "categorical")],
        {"x5": list("abcde")},
    )
    return fit_model(
        data.features,
        data.arm,
        data.propensity,
        {CONVERSION: data.conversion, REVENUE: data.revenue},
        arms=Arms(("nothing", "first", "second")),
        encoder=encoder,
        plan=Plan(
            trainer=LocalTrainer(),
            parameters={
                "learning_rate": 0.05,
                "num_leaves": 15,
                "min_data_in_leaf": 200,
                "lambda_l2": 10.0,
                "feature_fraction": 0.8,
            },
            rounds=120,
            seed=7,
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("outcome", "unit"), [(CONVERSION, 1.0), (REVENUE, EUROS)])
def test_the_average_effect_of_new_units_lies_within_three_standard_errors(
    outcome: str, unit: float
) -> None:
    learned, fresh = log(1), log(2)
    values = learned.conversion if outcome == CONVERSION else learned.revenue
    estimate = model().cate(fresh.features, outcome).mean(axis=0)
    truth = unit * fresh.tau.mean(axis=0)
    for treatment in (0, 1):
        groups = (values[learned.arm == 0], values[learned.arm == treatment + 1])
        standard_error = np.sqrt(sum(group.var(ddof=1) / len(group) for group in groups))
        assert abs(estimate[treatment] - truth[treatment]) < 3.0 * standard_error


@pytest.mark.slow
@pytest.mark.parametrize(("outcome", "bound"), [(CONVERSION, 0.8), (REVENUE, 0.7)])
def test_the_effects_of_new_units_correlate_with_the_truth(outcome: str, bound: float) -> None:
    fresh = log(2)
    cate = model().cate(fresh.features, outcome)
    for treatment in (0, 1):
        assert np.corrcoef(cate[:, treatment], fresh.tau[:, treatment])[0, 1] > bound


@pytest.mark.slow
def test_harm_is_seen_as_harm() -> None:
    fresh = log(2)
    harmed = fresh.tau[:, 1] < 0
    cate = model().cate(fresh.features)[:, 1]
    assert cate[harmed].mean() < 0 < cate[~harmed].mean()
    assert np.mean((cate < 0) == harmed) > 0.9


def test_the_constant_learner_finds_the_average_under_uneven_propensities() -> None:
    rng = np.random.default_rng(3)
    n_units = 40_000
    rich = rng.random(n_units) < 0.5
    propensity_of_coupon = np.where(rich, 0.8, 0.2)
    arm = (rng.random(n_units) < propensity_of_coupon).astype(np.int64)
    chance = np.where(rich, 0.6, 0.1) + 0.05 * arm
    data = TrainingData(
        features=rich[:, None].astype(np.float64),
        arm=arm,
        outcome=(rng.random(n_units) < chance).astype(np.float64),
        propensity=np.where(arm == 1, propensity_of_coupon, 1.0 - propensity_of_coupon),
    )
    control, coupon = fit_constant(data, n_arms=2).predict(np.zeros((1, 1)))[0]
    standard_error = np.sqrt(
        2 * 0.25 / (n_units * 0.2)
    )  # at most: half the mass in a fifth of rows
    assert abs((coupon - control) - 0.05) < 3.0 * standard_error
    naive = data.outcome[arm == 1].mean() - data.outcome[arm == 0].mean()
    assert naive - 0.05 > 20.0 * standard_error
