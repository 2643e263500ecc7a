"""The gate: five questions, no answer makes up for another, and every reason in words."""

import math
from dataclasses import replace

import numpy as np
import pytest

from uplift.config import Gate
from uplift.evaluation.calibration import Calibration, calibrate_effects
from uplift.evaluation.gate import Evidence, Verdict, judge, surer
from uplift.evaluation.proof import RankingProof, RankingTest, combine
from uplift.evaluation.ranked_sums import ranked_sums
from uplift.evaluation.stability import Stability
from uplift.evaluation.uncertainty import Estimate

RULES = Gate()
MOVED = Estimate(0.02, 0.01, 0.03, 0.005)
NOT_MOVED = Estimate(0.01, -0.01, 0.03, 0.01)
NAN = math.nan


def proof(z: float) -> RankingProof:
    return combine([RankingTest(z, 1000)])


def lead(euro: float, standard_error: float = 0.1) -> Estimate:
    return Estimate(euro, euro - 2 * standard_error, euro + 2 * standard_error, standard_error)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    rng = np.random.default_rng(0)
    cate, arm = rng.uniform(-0.4, 0.4, 4000), rng.integers(0, 2, 4000)
    outcome = (rng.random(4000) < 0.5 + cate * arm).astype(np.float64)
    return calibrate_effects(
        ranked_sums(cate, arm, outcome, n_arms=2, replicates=50), 1, level=0.95
    )


@pytest.fixture
def good(calibration: Calibration) -> Evidence:
    """A challenger with a good answer to everything."""
    return Evidence(
        average={"c5": MOVED},
        proofs={"c5": proof(3.0)},
        calibrations={"c5": calibration},
        stability={"c5": Stability(0.7, 0.9)},
        leads={"nobody": lead(0.3), "champion": lead(0.1)},
    )


def judged(evidence: Evidence, **rules: object) -> Verdict:
    return judge(evidence, rules=RULES.model_copy(update=rules), level=0.95)


def refused_for(evidence: Evidence, **rules: object) -> set[str]:
    verdict = judged(evidence, **rules)
    return {answer.question for answer in verdict.answers if not answer.passed}


def test_good_answers_to_all_questions_promote(good: Evidence) -> None:
    verdict = judged(good)
    assert verdict.promoted
    assert [answer.question for answer in verdict.answers] == [
        "average effect",
        "ranking",
        "calibration",
        "stability",
        "policy value",
        "policy value",
    ]
    assert verdict.reasons[4] == (
        "The policy earns 300 euro per 1,000 customers more than nobody (standard error 100)."
    )


def test_a_subgroup_in_a_null_trial_waits_for_a_second_experiment(good: Evidence) -> None:
    null = replace(good, average={"c5": NOT_MOVED})
    assert refused_for(null) == {"average effect"}
    assert "confirm in a second experiment" in judged(null).reasons[0]
    assert judged(null, require_average_effect=False).promoted


def test_harm_on_average_is_an_effect_too(good: Evidence) -> None:
    assert judged(replace(good, average={"c5": Estimate(-0.02, -0.03, -0.01, 0.005)})).promoted


@pytest.mark.parametrize("z", [1.9, -5.0, NAN])
def test_a_ranking_without_proof_is_refused_however_much_it_seems_to_earn(
    good: Evidence, z: float
) -> None:
    weak = replace(good, proofs={"c5": proof(z)}, leads={"nobody": lead(9.0)})
    assert refused_for(weak) == {"ranking"}


def test_proof_for_one_treatment_is_enough_but_must_be_stronger_among_several(
    good: Evidence,
) -> None:
    both = replace(
        good,
        average={"c5": MOVED, "c10": MOVED},
        proofs={"c5": proof(0.0), "c10": proof(2.1)},
        stability={"c5": Stability(-0.5, 0.1), "c10": Stability(0.7, 0.9)},
    )
    assert refused_for(both) == {"ranking", "stability"}  # 2.1 would do for one treatment
    proven = replace(both, proofs={"c5": proof(0.0), "c10": proof(2.3)})
    assert judged(proven).promoted
    assert "c5" not in judged(proven).reasons[1]


def test_effects_that_the_data_rule_out_are_refused(
    good: Evidence, calibration: Calibration
) -> None:
    wild = replace(calibration, slope=Estimate(0.2, 0.0, 0.4, 0.1))
    found = judged(replace(good, calibrations={"c5": wild}))
    assert not found.promoted
    assert "c5: Predicted effects are exaggerated: slope 0.2" in found.reasons[2]


def test_a_model_whose_halves_disagree_is_refused(good: Evidence) -> None:
    assert refused_for(replace(good, stability={"c5": Stability(0.2, 0.9)})) == {"stability"}


def test_a_noisy_slope_alone_does_not_refuse(good: Evidence) -> None:
    """Calibration judges it by its interval."""
    assert judged(replace(good, stability={"c5": Stability(0.7, 0.4)})).promoted


def test_without_refits_nobody_knows(good: Evidence) -> None:
    found = judged(replace(good, stability={}))
    assert not found.promoted
    assert "Run jobs/train_model again" in found.reasons[3]


@pytest.mark.parametrize(("euro", "promoted"), [(0.0, True), (-0.25, True), (-0.26, False)])
def test_a_shortfall_is_forgiven_up_to_one_standard_error(
    good: Evidence, euro: float, promoted: bool
) -> None:
    assert judged(replace(good, leads={"champion": lead(euro, 0.25)})).promoted is promoted


@pytest.mark.parametrize(("euro", "promoted"), [(-0.005, True), (-0.006, False)])
def test_a_tolerance_in_euro_is_one_per_thousand_customers(
    good: Evidence, euro: float, promoted: bool
) -> None:
    found = judged(
        replace(good, leads={"champion": lead(euro, 0.25)}),
        tolerance_eur_per_1000=5.0,
        tolerance_standard_errors=0.0,
    )
    assert found.promoted is promoted


def test_one_rival_that_is_clearly_better_is_enough_to_refuse(good: Evidence) -> None:
    found = judged(replace(good, leads={"nobody": lead(1.0), "champion": lead(-0.5)}))
    assert not found.promoted
    assert found.reasons[5] == (
        "The policy earns 500 euro per 1,000 customers less than champion, more than the tolerance "
        "of 100 (standard error 100)."
    )


def test_a_model_that_is_its_own_rival_passes(good: Evidence) -> None:
    assert judged(replace(good, leads={"champion": Estimate(0.0, 0.0, 0.0, 0.0)})).promoted


def test_a_comparison_that_the_data_cannot_make_is_no_promotion(good: Evidence) -> None:
    found = judged(replace(good, leads={"champion": Estimate(0.4, NAN, NAN, NAN)}))
    assert not found.promoted
    assert "cannot be compared with champion" in found.reasons[4]


def test_several_treatments_share_what_the_level_leaves() -> None:
    assert surer(0.95, 1) == pytest.approx(0.95)
    assert surer(0.9, 4) == pytest.approx(0.975)
