import json

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.experiment.builders import LALONDE, confounded, lalonde
from uplift.arms import Arms
from uplift.config import Observational
from uplift.errors import ContractError, OverlapError
from uplift.experiment.observe import observe

ARMS = Arms(("no_coupon", "coupon_5", "coupon_10"))
NAMES = ["income", "noise", "city"]
FAST = Observational(refute=False, folds=3)


def report_of(log, *, how=FAST, arms=ARMS, **given):
    columns = {
        "features": log.features,
        "arm": log.arm,
        "outcomes": {"revenue": log.outcome, "conversion": (log.outcome > 1.0) * 1.0},
        "cluster_ids": [f"unit {c}" for c in log.cluster],
        "names": NAMES,
        "categorical": (2,),
    } | given
    return observe(**columns, arms=arms, how=how, floor=0.01)


@pytest.fixture(scope="module")
def log():
    return confounded(1200, effects=(1.0, 2.0))[0]


@pytest.fixture(scope="module")
def report(log):
    return report_of(log)


def test_effects_come_per_outcome_and_treatment_and_are_right(report):
    keys = [(effect.outcome, effect.arm) for effect in report.effects]
    assert keys == [(o, a) for o in ("revenue", "conversion") for a in ("coupon_5", "coupon_10")]
    for effect, truth in zip(report.effects[:2], (1.0, 2.0), strict=True):
        value, error = effect.doubly_robust
        assert abs(value - truth) < 3 * error
        assert abs(effect.naive.value - truth) > 3 * effect.naive.standard_error


def test_weights_bring_the_arms_together(report):
    before, after = report.largest_imbalance
    assert before > 0.5
    assert after < before / 3


def test_a_document_holds_texts_lists_and_finite_numbers_only(report):
    document = json.loads(json.dumps(report.to_document(), allow_nan=False))
    assert document["arms"] == list(ARMS.names)
    assert document["effects"][1]["doubly_robust"].keys() == {"value", "standard_error"}
    assert np.sum(document["overlap"]["histogram"]) == 1200 * 3
    assert document["trimming"].keys() == {"rule", "lowest_chance", "n_trimmed"}
    assert document["warnings"][0].startswith("nobody drew these arms by chance")


def test_sensitivity_comes_with_every_effect(report):
    assert len(report.sensitivity) == 4
    for row in report.sensitivity:
        assert row.e_value >= row.e_value_of_interval >= 1.0
        assert row.gamma >= 1.0
        assert row.bounds.low <= row.bounds.high


def test_overlap_weights_have_no_gamma(log):
    outcomes = {"conversion": (log.outcome > 1.0) * 1.0}
    report = report_of(
        log, outcomes=outcomes, how=Observational(refute=False, folds=3, target="overlap")
    )
    assert {row.gamma for row in report.sensitivity} == {None}


@pytest.mark.slow
def test_the_same_log_and_seed_give_the_same_report(log, report):
    assert report_of(log).to_document() == report.to_document()


def test_a_log_whose_chances_are_known_by_a_feature_has_no_overlap(log):
    features = np.column_stack([log.features[:, :2], log.arm.astype(float)])
    with pytest.raises(OverlapError, match=r"had a chance of 0\.01 or more"):
        report_of(log, features=features, categorical=())


def test_names_must_be_as_many_as_features(log):
    with pytest.raises(ContractError, match="2 names for 3 features"):
        report_of(log, names=NAMES[:2])


@pytest.mark.slow
def test_refutations_of_a_right_estimate_pass(log):
    report = report_of(log, how=Observational(folds=3))
    assert set(report.refutations) == {"revenue: coupon_5", "revenue: coupon_10"}
    for attempts in report.refutations.values():
        assert [attempt.verdict for attempt in attempts] == ["pass"] * 3, attempts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("controls", "naive", "balance"), [("cps", -8498, 0.1), ("psid", -15205, 0.4)]
)
def test_the_trainees_report_is_right_and_full_of_doubts(controls, naive, balance):
    features, arm, outcome = lalonde(controls)
    report = observe(
        features,
        arm,
        {"re78": outcome},
        [f"person {i}" for i in range(len(arm))],
        arms=Arms(("survey", "training")),
        names=LALONDE,
        categorical=(),
        how=Observational(refute=False),
        floor=0.01,
    )
    effect = report.effects[0]
    value, error = effect.doubly_robust
    assert effect.naive.value == pytest.approx(naive, abs=1.0)
    assert abs(value - 1794.0) < 2 * error
    assert abs(value - 1794.0) < 0.15 * abs(naive - 1794.0)
    before, after = report.largest_imbalance
    assert before > 1.8
    assert after < balance
    doubts = " ".join(report.warnings)
    assert "of the units had a chance below 0.01 of arm 'training'" in doubts
    assert "are left out for want of overlap" in doubts
    assert report.sensitivity[0].gamma < 1.5


@pytest.mark.slow
def test_a_confounded_simulated_campaign_is_read_right():
    from uplift.experiment.simulate import load_scenario
    from uplift.experiment.simulate.population import draw_population

    scenario = load_scenario(ROOT / "conf" / "simulate" / "retailer.yaml").with_knobs(
        confounding=1.0
    )
    population = draw_population(scenario, seed=1, block=0, n_units=8000)
    drawn_by = scenario.declared.assignment.confounded_by
    others = [name for name in population.traits.values if name != drawn_by]
    columns = [population.traits.values[name] for name in (drawn_by, *others)]
    numeric = [np.asarray(c, dtype=np.float64) for c in columns if np.asarray(c).dtype.kind in "if"]
    features = np.column_stack(numeric)
    chance = population.factual().chance
    potential = [population.potential(name).chance for name in scenario.arms.names]
    report = observe(
        features,
        population.arm,
        {"conversion": population.factual().conversion, "chance": chance},
        [f"customer {i}" for i in range(8000)],
        arms=scenario.arms,
        names=[f"trait {i}" for i in range(features.shape[1])],
        categorical=(),
        how=Observational(refute=False, folds=3, target="ate", trim="none"),
        floor=0.01,
    )
    for k, effect in enumerate(report.effects[:2], start=1):
        truth = float((potential[k] - potential[0]).mean())
        value, error = effect.doubly_robust
        assert abs(value - truth) < 3 * error
    naive = report.effects[1].naive
    truth = float((potential[2] - potential[0]).mean())
    assert abs(naive.value - truth) > 3 * naive.standard_error
