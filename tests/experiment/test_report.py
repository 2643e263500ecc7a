import json

import numpy as np
import pytest

from tests.experiment.checks.builders import check, covariates, draws, report
from uplift.errors import ConfigError
from uplift.experiment.checks.words import CHECKS
from uplift.experiment.counts import arm_counts


def test_a_sound_experiment_passes_every_check() -> None:
    sound = report()
    assert sound.verdict == "pass"
    assert {check.verdict for check in sound.checks} == {"pass"}
    assert not sound.is_refused


def test_the_verdict_is_the_worst_of_the_checks() -> None:
    assert report(draws=draws(n_in_two_arms=1)).verdict == "warn"
    failed = report(draws=draws((9000, 1000), n_in_two_arms=1))
    assert failed.verdict == "fail"
    assert len(failed.complaints("fail")) == 1


def test_checks_come_in_one_order_whatever_was_asked() -> None:
    asked = [check.name for check in report().checks]
    assert asked == [name for name in CHECKS if name in asked]


def test_a_name_overrides_a_failed_verdict_and_is_recorded() -> None:
    limits = {"override_failed_verdict_by": "ann"}
    overridden = report(draws=draws((9000, 1000)), limits=limits)
    assert overridden.verdict == "fail"
    assert not overridden.is_refused
    assert overridden.to_document()["overridden_by"] == "ann"


def test_an_override_of_one_check_stops_no_other() -> None:
    reason = "Jane Doe: known logging gap on 3 May"
    limits = {"overrides": {"sample_ratio": reason}}
    gap = draws((9000, 1000))

    overridden = report(draws=gap, limits=limits)
    assert (overridden.verdict, overridden.is_refused) == ("warn", False)
    assert check("sample_ratio", draws=gap, limits=limits).overridden_by == reason
    assert overridden.complaints("fail") == []

    other = report(draws=gap, covariates=covariates(2000), limits=limits)
    assert (other.verdict, other.is_refused) == ("fail", True)
    assert len(other.complaints("fail")) == 1


def test_an_override_of_a_check_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ConfigError, match="did you mean `sample_ratio`"):
        report(limits={"overrides": {"sample_ratios": "Jane Doe"}})


def test_the_document_is_json_even_for_an_infinite_difference() -> None:
    counts = arm_counts([0, 0, 1, 1], {"arm": [0, 0, 1, 1]}, n_arms=2)
    document = json.loads(json.dumps(report(covariates=counts).to_document(), allow_nan=False))
    assert (document["experiment_id"], document["verdict"]) == ("test", "fail")
    arm = {"arm": "coupon_5", "number": 1, "n_units": 2, "planned_share": 0.5}
    assert document["arms"][1] == arm
    (imbalance,) = [c for c in document["checks"] if c["name"] == "imbalance"]
    assert imbalance["value"] is None
    assert document["balance"] == [{"feature": "arm", "arm": "coupon_5", "difference": None}]


def test_the_plan_of_the_report_adds_up_to_one() -> None:
    assert report(shares=np.array([3.0, 1.0])).planned == (0.75, 0.25)
