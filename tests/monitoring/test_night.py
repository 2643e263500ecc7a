from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import ROOT
from uplift.config import Monitoring, load_config
from uplift.monitoring.holdout import Conversions, GroupSums, PolicyEffect, holdout_p_value
from uplift.monitoring.migration import Migration
from uplift.monitoring.night import Drift, NightReport, Observed, judge_night
from uplift.monitoring.prometheus import Gauge, exposition

SEGMENTS = ("persuadable", "sure_thing")
STAY = {("persuadable", "persuadable"): 400, ("sure_thing", "sure_thing"): 600}
EVEN = np.array([[500, 500, 0], [250, 750, 0]])


def limits(**changes: object) -> Monitoring:
    files = [ROOT / "conf/base.yaml", ROOT / "conf/campaigns/coupon.yaml"]
    standard = load_config(files, ["monitoring.psi_fail=0.25"]).monitoring
    return standard.model_copy(update=changes)


def night(**changes: object) -> Observed:
    """A night like the training rows and like the night before."""
    group = GroupSums(1000, 100.0, 20.0)
    quiet = Observed(
        features=Drift(("age", "visits"), EVEN, EVEN),
        scores=Drift(("conversion", "uplift"), EVEN, EVEN),
        migration=Migration.of(SEGMENTS, STAY),
        holdout=group,
        others=group,
    )
    return replace(quiet, **changes)  # type: ignore[arg-type]


def verdicts(report: NightReport) -> dict[str, str]:
    return {check.name: check.verdict for check in report.checks if check.verdict != "pass"}


def test_a_night_like_the_last_one_passes_every_check() -> None:
    report = judge_night(night(), limits())
    assert report.verdict == "pass"
    assert len(report.checks) == 8


def test_the_first_night_is_not_asked_what_changed() -> None:
    report = judge_night(night(migration=None), limits())
    assert report.verdict == "pass"
    assert len(report.checks) == 5


@pytest.mark.parametrize(
    ("found", "verdict"),
    [([600, 400, 0], "pass"), ([670, 330, 0], "warn"), ([800, 200, 0], "fail")],
)
def test_drift_is_graded_and_named(found: list[int], verdict: str) -> None:
    drifted = Drift(("age", "visits"), EVEN, np.array([found, [250, 750, 0]]))
    report = judge_night(night(features=drifted), limits())
    assert verdicts(report).get("feature_stability", "pass") == verdict
    check = next(check for check in report.checks if check.name == "feature_stability")
    assert "`age`" in check.message


def test_a_feature_that_went_missing_is_refused_by_name() -> None:
    gone = Drift(("age", "visits"), EVEN, np.array([[500, 500, 0], [150, 550, 300]]))
    report = judge_night(night(features=gone), limits(psi_fail=99.0, psi_warn=99.0))
    assert verdicts(report) == {"missing_features": "fail"}
    assert "`visits` is missing for +30.0%" in report.checks[2].message


def test_a_single_score_that_is_no_number_is_refused() -> None:
    broken = Drift(("conversion", "uplift"), EVEN, np.array([[500, 499, 1], [250, 750, 0]]))
    assert verdicts(judge_night(night(scores=broken), limits())) == {"unscored_customers": "fail"}


def test_a_fifth_fewer_customers_than_last_night_is_refused() -> None:
    fewer = STAY | {("sure_thing", "sure_thing"): 350, ("sure_thing", None): 250}
    report = judge_night(
        night(migration=Migration.of(SEGMENTS, fewer)),
        limits(segment_share_fail=1, segment_share_warn=1),
    )
    assert verdicts(report) == {"volume": "fail"}
    assert "750 customers, last night there were 1,000: -25.0%" in report.checks[5].message


def test_a_segment_that_grows_by_eleven_points_is_refused() -> None:
    moved = {
        ("persuadable", "persuadable"): 400,
        ("sure_thing", "sure_thing"): 490,
        ("sure_thing", "persuadable"): 110,
    }
    report = judge_night(night(migration=Migration.of(SEGMENTS, moved)), limits())
    assert verdicts(report) == {"segment_shares": "fail"}
    assert report.migration is not None
    assert report.migration["sure_thing"]["persuadable"] == 110


def test_customers_who_change_places_show_though_sizes_stay() -> None:
    swapped = {
        ("persuadable", "sure_thing"): 300,
        ("sure_thing", "persuadable"): 300,
        ("sure_thing", "sure_thing"): 400,
    }
    report = judge_night(night(migration=Migration.of(SEGMENTS, swapped)), limits())
    assert verdicts(report) == {"segment_migration": "fail"}


def test_a_holdout_of_other_customers_than_the_rest_is_refused() -> None:
    """Means 0.1 and 0.2, deviation 0.1, a thousand each: 22 standard errors apart."""
    chosen = GroupSums(1000, 200.0, 50.0)
    report = judge_night(night(holdout=chosen), limits())
    assert verdicts(report) == {"holdout_is_random": "fail"}


def test_whoever_answers_for_a_failure_is_on_record_and_the_night_goes_on() -> None:
    broken = Drift(("conversion", "uplift"), EVEN, np.array([[500, 499, 1], [250, 750, 0]]))
    report = judge_night(night(scores=broken), limits(override_failed_verdict_by="Jane Doe"))
    assert report.verdict == "warn"
    document = report.to_document()
    assert [c["overridden_by"] for c in document["checks"] if c["verdict"] == "fail"] == [  # type: ignore[attr-defined]
        "Jane Doe"
    ]


def test_a_random_holdout_differs_by_chance_as_often_as_it_says() -> None:
    """1,000 splits of the same population: p-values below 0.1 in 10 %, within four errors."""
    rng = np.random.default_rng(8)
    scores = rng.beta(2, 8, size=2000)
    small = 0
    for _ in range(1000):
        held_out = rng.random(2000) < 0.1
        groups = [
            GroupSums(len(part), part.sum(), (part**2).sum())
            for part in (scores[held_out], scores[~held_out])
        ]
        small += holdout_p_value(*groups) < 0.1
    assert abs(small - 100) < 4 * np.sqrt(1000 * 0.1 * 0.9)


def test_a_group_too_small_to_tell_raises_no_doubt() -> None:
    nobody, some = GroupSums(0, 0.0, 0.0), GroupSums(100, 10.0, 2.0)
    assert holdout_p_value(nobody, some) == 1.0
    assert holdout_p_value(GroupSums(5, 0.5, 0.05), GroupSums(5, 0.5, 0.05)) == 1.0


def test_gauges_without_values_are_left_out() -> None:
    text = exposition([Gauge("empty", "Nothing."), Gauge("full", "One.", [({}, 0.5)])])
    assert text == "# HELP full One.\n# TYPE full gauge\nfull 0.5\n"


def test_what_targeting_added_is_the_difference_of_the_rates_with_its_error() -> None:
    """Others 120 of 1,000, holdout 10 of 100: 2 points, errors of about 1.03 and 3.02 points."""
    effect = PolicyEffect(Conversions(100, 10), Conversions(1000, 120), window_days=14)
    assert effect.estimate == pytest.approx(0.02)
    assert effect.standard_error == pytest.approx(np.sqrt(0.09 / 99 + 0.1056 / 999))


def test_without_a_holdout_nothing_is_known_of_what_targeting_added() -> None:
    effect = PolicyEffect(Conversions(0, 0), Conversions(1000, 120), window_days=14)
    document = judge_night(night(effect=effect), limits()).to_document()["policy_effect"]
    assert document["estimate"] is None  # type: ignore[index]
    assert document["others"] == {"customers": 1000, "conversion": 0.12}  # type: ignore[index]
