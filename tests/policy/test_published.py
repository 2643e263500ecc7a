import json
from dataclasses import replace

import pytest

from tests.policy.builders import PRICES, policy
from uplift.arms import Arms
from uplift.errors import ContractError, VersionMismatchError
from uplift.policy import Policy
from uplift.policy.evidence import EffectBins, EffectIntervals
from uplift.policy.prices import Price


def through_json(document):
    return json.loads(json.dumps(document, allow_nan=False))


CHANGES = [
    {"campaign_id": "spring"},
    {"arms": Arms(("nothing", "coupon_5", "coupon_10"))},
    {"model_version": "ba9876543210"},
    {"as_of": "2026-06-02T00:00:00Z"},
    {"value": replace(PRICES, margin_per_conversion_eur=29.0)},
    {"shadow_price": 0.1},
    {"budget_eur": 1.0},
    {"holdout_share": 0.1},
    {"exploration_share": 0.1},
    {"salt": "policy-2"},
    {"sure_thing_conversion": 0.1},
    {"harm_tolerance": 0.1},
    {"tie_shadow_price": 0.1},
    {"tie_share": 0.5},
    {"arm_prices": (Price(), Price(2.0))},
    {"group_attribute": "region"},
    {
        "intervals": EffectIntervals(
            0.9, {"conversion": (EffectBins((0.1,), (0.0, None), (1.0, 2.0)),)}
        )
    },
    {"group_prices": {"north": Price(-1.0, -1.5, 0.5)}},
]


@pytest.mark.parametrize("change", [*CHANGES, {"budget_eur": None}], ids=str)
def test_a_policy_survives_its_document(change):
    before = policy(**change)
    after = Policy.from_document(through_json(before.to_document()))
    assert after == before
    assert after.version == before.version


def test_the_version_is_the_same_everywhere_and_for_ever():
    assert policy().version == "77824ac6ec25"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_whatever_changes_the_version_changes_too(change):
    assert policy(**change).version != policy().version


def test_every_field_has_been_changed_above():
    named = {name for change in CHANGES for name in change}
    assert {*named, "version"} == set(policy().to_document())


def test_all_faults_of_a_document_are_named_at_once():
    document = through_json(policy(shadow_price=0.5).to_document())
    del document["salt"]
    document["holdout"] = 0.1
    document["exploration_share"] = 1.5
    document["value"]["margin"] = 2.0
    with pytest.raises(ContractError) as error:
        Policy.from_document(document)
    for fault in (
        "has 4 faults",
        "`salt` is missing",
        "`holdout` is unknown",
        "`exploration_share` = 1.5: input should be less than 1",
        "`value.margin` is unknown",
        "Run jobs/assign_coupons again",
    ):
        assert fault in str(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shadow_price", -0.1),
        ("shadow_price", float("inf")),
        ("budget_eur", -1.0),
        ("budget_eur", float("inf")),
        ("holdout_share", 1.0),
        ("sure_thing_conversion", 1.1),
        ("harm_tolerance", -0.1),
        ("arms", ["no_coupon"]),
        ("salt", 7),
    ],
)
def test_a_value_out_of_bounds_is_refused(key, value):
    with pytest.raises(ContractError, match=f"has 1 faults: `{key}"):
        Policy.from_document({**policy().to_document(), key: value})


def test_a_document_changed_by_hand_is_refused():
    document = {**policy().to_document(), "shadow_price": 0.7}
    with pytest.raises(VersionMismatchError, match="changed by hand"):
        Policy.from_document(document)


def test_a_document_without_its_version_is_refused():
    document = policy().to_document()
    del document["version"]
    with pytest.raises(VersionMismatchError, match="says version None"):
        Policy.from_document(document)


def test_arms_and_prices_must_agree():
    with pytest.raises(VersionMismatchError, match=r"prices for 2 treatments, its arms are \['no'"):
        policy(arms=Arms(("no", "yes")))


def test_a_policy_refuses_a_model_it_was_not_priced_for():
    policy().require_model("0123456789ab")
    with pytest.raises(
        VersionMismatchError, match=r"priced for model '0123456789ab'.*'feedfeedfeed'"
    ):
        policy().require_model("feedfeedfeed")
