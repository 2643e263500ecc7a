"""The document says everything, for machines and for people."""

import json

import numpy as np
import pytest

from uplift.arms import Arms
from uplift.errors import ContractError
from uplift.evaluation import metrics
from uplift.evaluation.policy_sums import PolicySums, policy_sums
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums
from uplift.evaluation.report import evaluate
from uplift.evaluation.uncertainty import from_replicates

ARMS = Arms(("none", "coupon_5", "coupon_10"))


def inputs(*, binary: bool = True, n: int = 900) -> tuple[list[RankedSums], PolicySums]:
    rng = np.random.default_rng(4)
    x, arm = rng.uniform(size=n), rng.integers(0, 3, n)
    outcome = rng.uniform(size=n) + 0.3 * x * arm
    if binary:
        outcome = (outcome > 0.7).astype(float)
    rankings = [ranked_sums(x, arm, outcome, n_arms=3, replicates=40, seed=s) for s in (1, 1)]
    decisions = {"model": np.where(x > 0.5, 2, 0), "other": np.where(x > 0.7, 1, 0)}
    chance = np.full(n, 1 / 3)
    return rankings, policy_sums(arm, outcome, chance, decisions, arms=ARMS, replicates=40, seed=1)


def test_every_number_comes_with_its_interval_and_its_definition() -> None:
    rankings, policies = inputs()
    found = evaluate(ARMS, rankings, policies, outcome="conversion", level=0.9)
    document = json.loads(json.dumps(found, allow_nan=False))
    coupon_10 = document["treatments"]["coupon_10"]
    expected = from_replicates(metrics.autoc(rankings[1], 2), level=0.9)
    assert coupon_10["autoc"] == expected.to_document()
    named = {"ate", "autoc", "rate_qini", "radcliffe_q", "qini_auc", "uplift_by_bin"}
    assert set(coupon_10) == {*named, "rows"}
    assert named <= set(document["definitions"])
    assert (document["outcome"], document["level"], document["replicates"]) == (
        "conversion",
        0.9,
        40,
    )
    assert sum(coupon_10["rows"].values()) == rankings[1].rows[:, [0, 2]].sum()


def test_bins_set_the_measured_effect_beside_the_predicted() -> None:
    rankings, policies = inputs()
    document = evaluate(ARMS, rankings, policies, outcome="conversion", level=0.9, bins=3)
    bins = document["treatments"]["coupon_5"]["uplift_by_bin"]
    assert [item["bin"] for item in bins] == [1, 2, 3]
    assert bins[0]["predicted"] > bins[1]["predicted"] > bins[2]["predicted"]
    assert bins[0]["measured"]["low"] < bins[0]["measured"]["estimate"]


def test_given_policies_are_set_against_all_before_them() -> None:
    rankings, policies = inputs()
    document = evaluate(ARMS, rankings, policies, outcome="conversion", level=0.9)
    constant = ["nobody", "everybody:coupon_5", "everybody:coupon_10"]
    assert list(document["policies"]) == [*constant, "model", "other"]
    pairs = [(found["policy"], found["against"]) for found in document["differences"]]
    assert pairs == [
        *(("model", other) for other in constant),
        *(("other", other) for other in (*constant, "model")),
    ]
    values = {name: found["value"]["estimate"] for name, found in document["policies"].items()}
    first = document["differences"][0]["value"]["estimate"]
    assert first == pytest.approx(values["model"] - values["nobody"])
    shares = document["policies"]["model"]["shares"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["coupon_5"] == 0


def test_a_paired_difference_is_surer_than_its_two_values() -> None:
    rankings, policies = inputs()
    document = evaluate(ARMS, rankings, policies, outcome="conversion", level=0.9)
    pair = document["differences"][-1]
    errors = [document["policies"][name]["value"]["standard_error"] for name in ("model", "other")]
    assert pair["value"]["standard_error"] < np.hypot(*errors)


def test_an_outcome_in_euro_has_no_perfect_ranking_by_responders() -> None:
    rankings, policies = inputs(binary=False)
    document = evaluate(ARMS, rankings, policies, outcome="revenue", level=0.9)
    assert document["treatments"]["coupon_5"]["qini_auc"] is None
    assert document["treatments"]["coupon_5"]["autoc"]["low"] is not None


def test_empty_bins_are_null_not_a_guess() -> None:
    sums = ranked_sums([4, 3, 2, 1], [1, 1, 0, 0], [1, 0, 1, 0], n_arms=2, replicates=20)
    policies = policy_sums([1, 1, 0, 0], [1, 0, 1, 0], [0.5] * 4, {}, arms=Arms(("none", "coupon")))
    document = evaluate(
        Arms(("none", "coupon")), [sums], policies, outcome="conversion", level=0.9, bins=2
    )
    measured = document["treatments"]["coupon"]["uplift_by_bin"][0]["measured"]
    assert set(measured.values()) == {None}
    json.dumps(document, allow_nan=False)


def test_a_ranking_per_treatment_is_asked_for() -> None:
    rankings, policies = inputs()
    with pytest.raises(ContractError, match="1 rankings for 2 treatments"):
        evaluate(ARMS, rankings[:1], policies, outcome="conversion", level=0.9)
