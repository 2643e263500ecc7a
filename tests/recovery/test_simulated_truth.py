"""What the simulator says is true is what its logs show; the demo's retailer is worth learning."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from tests.conftest import ROOT
from uplift.experiment.simulate import UNITS_PER_BLOCK, load_scenario, simulate_block

Matrix = npt.NDArray[np.float64]
MARGIN, CONTACT, REDEMPTION = 30.0, 0.10, np.array([5.0, 10.0])  # euro, as conf/base.yaml has them
N_BLOCKS = 2

pytestmark = pytest.mark.slow


@cache
def log(**knobs: float) -> pd.DataFrame:
    """50,000 customers of the retailer: assignment and truth, one row each."""
    scenario = load_scenario(ROOT / "conf" / "simulate" / "retailer.yaml").with_knobs(**knobs)
    frames = []
    for number in range(N_BLOCKS):
        block = simulate_block(scenario, seed=1, block=number, n_units=UNITS_PER_BLOCK)
        frame = block.assignments.to_pandas().merge(block.truth.to_pandas(), on="unit_id")
        frame["arm"] = frame.arm.map(scenario.arms.numbers())
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def per_arm(frame: pd.DataFrame, column: str) -> Matrix:
    return np.stack(frame[column].to_list())


def observed(frame: pd.DataFrame, kind: str) -> Matrix:
    return per_arm(frame, f"potential_{kind}")[np.arange(len(frame)), frame.arm]


def effects(outcome: Matrix) -> Matrix:
    return outcome[:, 1:] - outcome[:, :1]


def net_value(frame: pd.DataFrame) -> Matrix:
    """True euro earned by sending each coupon to each customer, shape (n, K)."""
    chance = per_arm(frame, "true_conversion")
    return MARGIN * effects(chance) - CONTACT - REDEMPTION * chance[:, 1:]


def difference_in_means(frame: pd.DataFrame, y: Matrix, arm: int) -> tuple[float, float]:
    """The effect of an arm as an experimenter would take it, and its standard error."""
    treated, control = y[frame.arm == arm], y[frame.arm == 0]
    error = np.sqrt(treated.var() / len(treated) + control.var() / len(control))
    return float(treated.mean() - control.mean()), float(error)


def within(estimate: float, truth: float, terms: Sequence[float] | Matrix) -> bool:
    """Whether a mean of ``terms`` lies within four standard errors of the truth."""
    return bool(abs(estimate - truth) < 4 * np.std(terms) / np.sqrt(len(terms)))


@pytest.mark.parametrize("kind", ["conversion", "revenue"])
def test_the_true_expectation_is_what_potential_outcomes_average_to(kind: str) -> None:
    error = per_arm(log(), f"potential_{kind}") - per_arm(log(), f"true_{kind}")
    assert all(within(error[:, arm].mean(), 0.0, error[:, arm]) for arm in range(3))


def test_true_chances_are_calibrated_in_every_tenth() -> None:
    truth, potential = (per_arm(log(), f"{k}_conversion") for k in ("true", "potential"))
    for arm in range(3):
        for part in np.array_split(np.argsort(truth[:, arm]), 10):
            error = potential[part, arm] - truth[part, arm]
            assert within(error.mean(), 0.0, error)


@pytest.mark.parametrize("kind", ["conversion", "revenue"])
def test_a_difference_in_means_recovers_the_effects_of_a_clean_experiment(kind: str) -> None:
    frame = log()
    y, truth = observed(frame, kind), effects(per_arm(frame, f"true_{kind}")).mean(axis=0)
    for k in (1, 2):
        difference, error = difference_in_means(frame, y, k)
        assert abs(difference - truth[k - 1]) < 4 * error


def test_confounding_misleads_the_difference_in_means_and_weighting_repairs_it() -> None:
    frame = log(confounding=1.0)
    y, propensity = observed(frame, "conversion"), frame.propensity.to_numpy()
    for k in (1, 2):
        truth = effects(per_arm(frame, "true_conversion"))[:, k - 1].mean()
        is_k, is_control = (frame.arm == k).to_numpy(), (frame.arm == 0).to_numpy()
        weighted = y * (is_k.astype(float) - is_control) / propensity
        assert within(weighted.mean(), truth, weighted)
        difference, error = difference_in_means(frame, y, k)
        assert difference - truth > 8 * error


def test_propensities_are_calibrated_for_every_arm_and_trait() -> None:
    """Weighted by the inverse propensity, every arm stands for all customers."""
    frame = log(confounding=1.0)
    trait = per_arm(frame, "true_conversion")[:, 0]
    for arm in range(3):
        weight = (frame.arm == arm) / frame.propensity
        assert within(weight.mean(), 1.0, weight)
        assert within((weight * trait).mean(), trait.mean(), weight * trait)


def test_those_whom_no_coupon_reaches_dilute_the_effect() -> None:
    frame, reached = log(not_exposed_share=0.4), log()
    effect = effects(per_arm(frame, "true_conversion"))
    assert (effect[~frame.exposed] == 0.0).all()
    assert (
        effect[frame.exposed] == effects(per_arm(reached, "true_conversion"))[frame.exposed]
    ).all()
    assert within(frame.exposed.mean(), 0.6, frame.exposed.astype(float))


@pytest.mark.parametrize("share", [0.0, 0.12, 0.5])
def test_sleeping_dogs_have_the_declared_share(share: float) -> None:
    harmed = effects(per_arm(log(sleeping_dog_share=share), "true_conversion")) < 0.0
    assert within(harmed.mean(), share, harmed[:, 0].astype(float)) or share == harmed.mean() == 0.0
    assert (harmed[:, 0] == harmed[:, 1]).all()


def test_a_stronger_aversion_harms_more() -> None:
    worst = [
        effects(per_arm(log(sleeping_dog_strength=strength), "true_conversion")).min(axis=1).mean()
        for strength in (0.5, 1.0, 2.0)
    ]
    assert worst == sorted(worst, reverse=True)


def test_drift_changes_later_customers_only() -> None:
    drifting, still = log(drift_per_week=0.3), log()
    week = (drifting.assigned_at - drifting.assigned_at.min()).dt.days // 7
    shift = per_arm(drifting, "true_conversion") - per_arm(still, "true_conversion")
    moved = np.abs(shift[:, 0])
    by_week = [moved[week == number].mean() for number in range(4)]
    assert by_week == sorted(by_week)
    assert by_week[3] > 3 * by_week[0]


def test_members_of_a_household_buy_alike() -> None:
    chance = per_arm(log(household_size=2), "true_conversion")[:, 0]
    alone = per_arm(log(), "true_conversion")[:, 0]
    assert np.corrcoef(chance[0::2], chance[1::2])[0, 1] > 0.3
    assert abs(np.corrcoef(alone[0::2], alone[1::2])[0, 1]) < 4 / np.sqrt(len(alone) / 2)


def test_the_retailer_rewards_targeting() -> None:
    """Mean control conversion, effects and money of the demo, as its story tells them."""
    chance, net = per_arm(log(), "true_conversion"), net_value(log())
    five, ten = effects(chance).mean(axis=0)
    oracle = np.maximum(net.max(axis=1), 0.0)
    spend = CONTACT + REDEMPTION * chance[:, 1:]
    best = net.argmax(axis=1)
    oracle_spend = (spend[np.arange(len(best)), best] * (oracle > 0)).sum()
    assert 0.08 < chance[:, 0].mean() < 0.12
    assert 0.01 < five < ten < 0.06
    assert (net.mean(axis=0) < 0.0).all(), "a coupon for everybody loses money"
    assert oracle.sum() > 20_000.0
    assert oracle_spend > 20_000.0, "the budget of the demo binds"
    assert min(np.mean((oracle > 0) & (best == k)) for k in (0, 1)) > 0.1, "both coupons have a use"
