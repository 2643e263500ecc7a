"""The gate: proof of a ranking, no clear loss of money, and every reason in words."""

import math

import pytest

from uplift.evaluation.gate import judge
from uplift.evaluation.uncertainty import Estimate

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
