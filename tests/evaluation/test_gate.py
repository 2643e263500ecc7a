"""The gate: proof of a ranking, no clear loss of money, and every reason in words."""

import math

import numpy as np
import pandas as pd
import pytest

from tests.conftest import real_log
from uplift.arms import Arms
from uplift.ensemble import FlatEnsemble
from uplift.evaluation.gate import Verdict, judge, verdict
from uplift.evaluation.policy_sums import policy_sums
from uplift.evaluation.ranked_sums import ranked_sums
from uplift.evaluation.uncertainty import Estimate
from uplift.learners.boosting import LocalTrainer
from uplift.learners.data import TrainingData
from uplift.learners.meta import fit_t_learner
from uplift.learners.recipe import Recipe

PROVEN = Estimate(0.02, 0.01, 0.03, 0.005)
UNPROVEN = Estimate(0.02, -0.001, 0.04, 0.01)
HARMFUL = Estimate(-0.02, -0.03, -0.01, 0.005)
NAN = math.nan


def lead(euro: float, standard_error: float = 0.1) -> Estimate:
    return Estimate(euro, euro - 2 * standard_error, euro + 2 * standard_error, standard_error)


def test_a_proven_ranking_that_earns_more_than_its_rivals_is_promoted() -> None:
    verdict = judge({"c5": PROVEN}, {"nobody": lead(0.3), "champion": lead(0.1)}, level=0.95)
    assert verdict.promoted
    assert verdict.reasons == (
        "The ranking beats chance, AUTOC above 0: c5 0.02 (95 % interval 0.01 to 0.03).",
        "The policy earns 0.3 euro per unit more than nobody (standard error 0.1).",
        "The policy earns 0.1 euro per unit more than champion (standard error 0.1).",
    )


def test_proof_for_one_treatment_is_enough_and_only_it_is_named() -> None:
    verdict = judge({"c5": UNPROVEN, "c10": PROVEN}, {}, level=0.975)
    assert verdict.promoted
    assert "c10" in verdict.reasons[0]
    assert "c5" not in verdict.reasons[0]
    assert "97.5 %" in verdict.reasons[0]


@pytest.mark.parametrize(
    "autoc", [UNPROVEN, HARMFUL, Estimate(0.02, 0.0, 0.04, 0.01), Estimate(NAN, NAN, NAN, NAN)]
)
def test_a_ranking_without_proof_is_refused_however_much_it_seems_to_earn(autoc: Estimate) -> None:
    verdict = judge({"c5": autoc}, {"nobody": lead(9.0)}, level=0.95)
    assert not verdict.promoted
    assert verdict.reasons[0].startswith("The ranking does not beat chance for any treatment")


@pytest.mark.parametrize(("euro", "promoted"), [(0.0, True), (-0.25, True), (-0.26, False)])
def test_a_shortfall_is_forgiven_up_to_one_standard_error(euro: float, promoted: bool) -> None:
    verdict = judge({"c5": PROVEN}, {"champion": lead(euro, 0.25)}, level=0.95)
    assert verdict.promoted is promoted


def test_one_rival_that_is_clearly_better_is_enough_to_refuse() -> None:
    verdict = judge({"c5": PROVEN}, {"nobody": lead(1.0), "champion": lead(-0.5)}, level=0.95)
    assert not verdict.promoted
    assert verdict.reasons[2] == (
        "The policy earns 0.5 euro per unit less than champion, more than one standard error 0.1."
    )


def test_a_model_that_is_its_own_rival_passes() -> None:
    assert judge({"c5": PROVEN}, {"champion": Estimate(0.0, 0.0, 0.0, 0.0)}, level=0.95).promoted


def test_a_comparison_that_the_data_cannot_make_is_no_promotion() -> None:
    verdict = judge({"c5": PROVEN}, {"champion": Estimate(0.4, NAN, NAN, NAN)}, level=0.95)
    assert not verdict.promoted
    assert "cannot be compared with champion" in verdict.reasons[1]


def judged(cate: np.ndarray, arm: np.ndarray, outcome: np.ndarray, seed: int) -> Verdict:
    """The verdict on a ranking by ``cate``, whose policy treats where it is positive."""
    arms = Arms(("none", "coupon"))
    return verdict(
        arms,
        [ranked_sums(cate, arm, outcome, n_arms=2, replicates=200, seed=seed, max_blocks=500)],
        policy_sums(
            arm,
            outcome,
            np.full(len(arm), 0.5),
            {"model": (cate > 0.0).astype(int)},
            arms=arms,
            replicates=200,
            seed=seed,
        ),
        challenger="model",
        level=0.95,
    )


def test_a_useful_ranking_is_promoted_and_its_reverse_is_not() -> None:
    rng = np.random.default_rng(0)
    cate, arm = rng.uniform(-0.4, 0.4, 4000), rng.integers(0, 2, 4000)
    outcome = (rng.random(4000) < 0.5 + cate * arm).astype(np.float64)
    assert judged(cate, arm, outcome, seed=1).promoted
    assert not judged(-cate, arm, outcome, seed=1).promoted


@pytest.mark.slow
def test_a_ranking_that_knows_nothing_is_proven_as_rarely_as_the_level_says() -> None:
    rng = np.random.default_rng(0)
    n_logs, proven = 200, 0
    for seed in range(n_logs):
        arm, outcome = rng.integers(0, 2, 1000), (rng.random(1000) < 0.3).astype(np.float64)
        found = judged(rng.normal(size=1000), arm, outcome, seed)
        proven += found.reasons[0].startswith("The ranking beats chance")
    # 2.5 % of the logs, and three standard errors of a count
    assert proven <= n_logs * 0.025 + 3 * math.sqrt(n_logs * 0.025 * 0.975)


def learned(features: np.ndarray, arm: np.ndarray, outcome: np.ndarray) -> FlatEnsemble:
    data = TrainingData(features, arm, outcome, np.full(len(arm), 0.5))
    recipe = Recipe(
        trainer=LocalTrainer(num_threads=1),
        objective="binary",
        parameters={"num_leaves": 15, "min_data_in_leaf": 100, "learning_rate": 0.1},
        rounds=30,
        categorical=[],
        seed=0,
        min_arm_rows=100,
    )
    return fit_t_learner(data, 2, recipe)


@pytest.mark.slow
def test_models_of_a_real_log_whose_arms_are_drawn_anew_are_not_promoted() -> None:
    log = pd.read_csv(real_log("information_insurance/train.csv.gz"))
    outcome = log["PURCHASE"].to_numpy(np.float64)
    features = log.drop(columns=["TREATMENT", "PURCHASE", "UNIQUE_ID"]).to_numpy(np.float64)
    rng = np.random.default_rng(0)
    n_draws, promoted = 8, 0
    for seed in range(n_draws):
        arm, taught = rng.integers(0, 2, len(log)), rng.random(len(log)) < 0.7
        model = learned(np.ascontiguousarray(features[taught]), arm[taught], outcome[taught])
        expected = model.predict(np.ascontiguousarray(features[~taught]))
        cate = expected[:, 1] - expected[:, 0]
        promoted += judged(cate, arm[~taught], outcome[~taught], seed).promoted
    # each is promoted with a chance of at most 2.5 %: two or more of eight have one of 1.6 %
    assert promoted <= 1
