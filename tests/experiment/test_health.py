import json

import numpy as np
import pytest

from uplift.arms import Arms
from uplift.config import ExperimentChecks
from uplift.experiment.counts import arm_counts
from uplift.experiment.health import Draws, check_experiment

ARMS = Arms(("no_coupon", "coupon_5"))
LIMITS = ExperimentChecks(
    sample_ratio_p_value_warn=0.01,
    sample_ratio_p_value_fail=0.0005,
    imbalance_warn=0.1,
    imbalance_fail=0.25,
    two_arms_fail=0.01,
    propensity_floor=0.05,
)


def draws(n=(5000, 5000), **changes):
    """Draws without any blemish: every chance logged, as one half."""
    half = np.full(2, 0.5)
    return Draws(
        **{
            "n": np.array(n),
            "n_in_two_arms": 0,
            "n_assignments": np.array(n),
            "n_without_propensity": np.zeros(2, dtype=int),
            "lowest_propensity": half,
            "highest_propensity": half,
            **changes,
        }
    )


def covariates(n_shifted=0, n=5000):
    """A 0/1 feature, half ones in both arms, but for some more ones in arm 1."""
    member = np.tile([0.0, 1.0], n)
    member[n:][::2][:n_shifted] = 1.0
    return arm_counts(np.repeat([0, 1], n), {"member": member}, n_arms=2)


def report(counts=None, drawn=None, shares=None, limits=LIMITS, outcomes=None):
    return check_experiment(
        ARMS,
        counts or covariates(),
        drawn or draws(),
        shares=shares,
        limits=limits,
        outcomes=outcomes,
    )


def check(name, **given):
    return next(check for check in report(**given).checks if check.name == name)


def test_a_sound_experiment_passes_every_check():
    sound = report()
    assert sound.verdict == "pass"
    assert {check.verdict for check in sound.checks} == {"pass"}
    assert not sound.is_refused


# 10,000 units: chi2 is 4 d^2 / 10,000; 6.63 at p = 0.01, 12.1 at p = 0.0005
@pytest.mark.parametrize(
    ("n", "verdict"),
    [((5100, 4900), "pass"), ((5140, 4860), "warn"), ((5190, 4810), "fail")],
)
def test_uneven_arms_are_doubted_then_refused(n, verdict):
    assert check("sample_ratio", drawn=draws(n)).verdict == verdict


def test_planned_shares_decide_what_is_even():
    uneven = draws((8000, 2000))
    assert check("sample_ratio", drawn=uneven).verdict == "fail"
    assert check("sample_ratio", drawn=uneven, shares=np.array([4.0, 1.0])).verdict == "pass"


def test_without_a_plan_the_logged_propensities_are_the_plan():
    logged = np.array([0.8, 0.2])
    found = check(
        "sample_ratio",
        drawn=draws((8000, 2000), lowest_propensity=logged, highest_propensity=logged),
    )
    assert found.verdict == "pass"
    assert "logged shares make 8,000, 2,000" in found.message


def test_propensities_that_differ_within_an_arm_are_no_plan():
    drawn = draws(
        (8000, 2000),
        lowest_propensity=np.array([0.7, 0.1]),
        highest_propensity=np.array([0.9, 0.3]),
    )
    assert "equal shares make 5,000" in check("sample_ratio", drawn=drawn).message


# p0 = .5; s more ones of 5,000 give an SMD of about 2 s / 5,000
@pytest.mark.parametrize(
    ("shifted", "verdict"), [(0, "pass"), (200, "pass"), (300, "warn"), (700, "fail")]
)
def test_a_feature_that_differs_is_doubted_then_refused(shifted, verdict):
    found = check("imbalance", counts=covariates(shifted))
    assert found.verdict == verdict
    assert "`member` differs most: arm 'coupon_5'" in found.message


def test_small_arms_may_differ_by_chance():
    # 20 units an arm, SMD 0.4: above the limits for large arms, within the reach of chance
    found = check("imbalance", counts=covariates(4, n=20))
    assert found.verdict == "pass"
    assert found.value > LIMITS.imbalance_fail
    assert found.threshold == pytest.approx(2.5758 * (2 / 20) ** 0.5, rel=1e-4)


def test_an_experiment_without_features_is_doubted():
    counts = arm_counts([0, 1], {}, n_arms=2)
    assert check("imbalance", counts=counts).verdict == "warn"


@pytest.mark.parametrize(("n", "verdict"), [(0, "pass"), (1, "warn"), (100, "warn"), (101, "fail")])
def test_units_in_two_arms_are_doubted_then_refused(n, verdict):
    found = check("one_arm_each", drawn=draws(n_in_two_arms=n))
    assert found.verdict == verdict
    assert found.message == f"{n} of 10,000 randomisation units were seen in two arms"


@pytest.mark.parametrize(
    ("missing", "verdict"), [((0, 0), "pass"), ((5000, 5000), "pass"), ((0, 1), "warn")]
)
def test_propensities_are_logged_for_all_or_for_none(missing, verdict):
    drawn = draws(n_without_propensity=np.array(missing))
    assert check("logged_propensities", drawn=drawn).verdict == verdict


def test_a_propensity_below_the_floor_is_refused():
    drawn = draws(lowest_propensity=np.array([0.5, 0.04]))
    found = check("propensity_floor", drawn=drawn)
    assert (found.verdict, found.value) == ("fail", 0.04)
    assert found.message == "the lowest propensity is 0.04, in arm 'coupon_5'"


def test_where_no_propensity_is_logged_the_planned_share_must_clear_the_floor():
    unlogged = draws(
        n_without_propensity=np.array([5000, 5000]),
        lowest_propensity=np.full(2, np.nan),
        highest_propensity=np.full(2, np.nan),
    )
    shares = np.array([0.97, 0.03])
    assert check("propensity_floor", drawn=unlogged, shares=shares).verdict == "fail"
    assert check("propensity_floor", drawn=unlogged).verdict == "pass"


@pytest.mark.parametrize(("n", "verdict"), [(0, "pass"), (3, "warn")])
def test_an_assignment_after_the_last_event_is_doubted(n, verdict):
    assert check("assigned_in_time", drawn=draws(n_after_last_event=n)).verdict == verdict


def test_a_log_without_times_is_not_asked_for_them():
    assert "assigned_in_time" not in {check.name for check in report().checks}


def test_the_verdict_is_the_worst_of_the_checks():
    assert report(drawn=draws(n_in_two_arms=1)).verdict == "warn"
    failed = report(drawn=draws((9000, 1000), n_in_two_arms=1))
    assert failed.verdict == "fail"
    assert len(failed.complaints("fail")) == 1


def test_a_name_overrides_a_failed_verdict_and_is_recorded():
    limits = LIMITS.model_copy(update={"override_failed_verdict_by": "ann"})
    overridden = report(drawn=draws((9000, 1000)), limits=limits)
    assert overridden.verdict == "fail"
    assert not overridden.is_refused
    assert overridden.to_document()["overridden_by"] == "ann"


def test_effects_are_differences_to_control_by_outcome_and_arm():
    outcomes = arm_counts([0, 0, 1, 1], {"conversion": [0, 0, 1, 0]}, n_arms=2)
    (effect,) = report(outcomes=outcomes).effects
    assert (effect.outcome, effect.arm) == ("conversion", "coupon_5")
    assert (effect.mean, effect.mean_of_control, effect.difference) == (0.5, 0.0, 0.5)
    assert effect.standard_error == pytest.approx(0.5)  # sqrt(0.5 / 2 + 0 / 2)


def test_the_document_is_json_even_for_an_infinite_difference():
    counts = arm_counts([0, 0, 1, 1], {"arm": [0, 0, 1, 1]}, n_arms=2)
    document = json.loads(json.dumps(report(counts=counts).to_document(), allow_nan=False))
    assert document["verdict"] == "fail"
    assert document["arms"][1] == {"arm": "coupon_5", "number": 1, "n_units": 2}
    (imbalance,) = [c for c in document["checks"] if c["name"] == "imbalance"]
    assert imbalance["value"] is None
