import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serving.loading import load_service
from serving.service import DecisionService
from serving.values import Ask, FeatureError, UnknownCampaignError
from tests.conftest import ROOT
from tests.serving.builders import customers, decisions, model, policy, publish_run, wide
from uplift.audience.snapshot import current, publish, staging_folder
from uplift.config import Campaign, load_config
from uplift.errors import ContractError, ModelNotReadyError, VersionMismatchError
from uplift.features.encoder import fit_encoder
from uplift.online.sqlite import build_store
from uplift.policy import REASONS
from uplift.policy.prices import Price
from uplift.workspace import write_document


def campaign(*settings: str) -> Campaign:
    conf = [ROOT / "conf/base.yaml", ROOT / "conf/campaigns/coupon.yaml"]
    return load_config(conf, settings).campaign


@pytest.fixture
def service(tmp_path: Path) -> Iterator[DecisionService]:
    publish_run(tmp_path)
    service = load_service(tmp_path, campaign())
    yield service
    service.close()


def test_every_decision_is_that_of_the_batch_to_the_last_bit(service: DecisionService) -> None:
    batch = {row["unit_id"]: row for row in wide(customers()).to_pylist()}
    assert {row["reason"] for row in batch.values()} == set(REASONS) - {"not_eligible"}

    for unit_id, row in batch.items():
        found = service.decide(Ask(unit_id))

        assert (found.treatment or "no_coupon") == row["decision"]
        assert (found.segment, found.reason) == (row["segment"], row["reason"])
        assert found.propensity == row["decision_propensity"]
        assert found.fallback is None
        for name in ("coupon_5", "coupon_10"):
            assert found.uplift[name] == row[f"uplift_{name}"]
        assert found.value is not None
        assert found.value.gain_eur == row[f"gain_eur_{found.value.treatment}"]
        assert found.value.cost_eur == row[f"cost_eur_{found.value.treatment}"]


def test_the_limit_of_a_customers_group_holds_online_too(service: DecisionService) -> None:
    rule = replace(service.policy, group_attribute="city", group_prices={"Ulm": Price(1000.0)})
    limited = replace(service, policy=rule)

    sent = {
        row["unit_id"]: row["city"]
        for row in customers().to_pylist()
        if service.decide(Ask(row["unit_id"])).reason == "net_value"
    }
    still = {unit for unit in sent if limited.decide(Ask(unit)).reason == "net_value"}

    assert still == {unit for unit, city in sent.items() if city != "Ulm"} < set(sent)


def test_the_group_tells_who_decided(service: DecisionService) -> None:
    groups = {"holdout": "holdout", "exploration": "explore", "not_contactable": "none"}

    for row in wide(customers()).to_pylist():
        assert service.decide(Ask(row["unit_id"])).group == groups.get(row["reason"], "policy")


def test_the_value_of_an_offer_is_checked_by_head(service: DecisionService) -> None:
    targeted = np.flatnonzero(decisions(customers()).reason == "net_value")[0]

    found = service.decide(Ask(f"u{targeted:03d}"))

    assert found.treatment == "coupon_5"
    assert found.value is not None
    assert found.value.gain_eur == pytest.approx(30 * 0.20)
    assert found.value.cost_eur == pytest.approx(0.10 + 5 * 0.30)
    assert found.value.net_value_eur == pytest.approx(6.0 - 2 * 1.6)


def test_on_hold_the_value_is_that_of_the_best_coupon_at_this_price(
    service: DecisionService,
) -> None:
    held = np.flatnonzero(decisions(customers()).reason == "below_threshold")[0]

    found = service.decide(Ask(f"u{held:03d}"))

    assert found.treatment is None
    assert found.value is not None
    assert found.value.treatment == "coupon_5"
    assert found.value.net_value_eur == pytest.approx(30 * 0.04 - 2 * (0.10 + 5 * 0.14))


def test_a_stranger_gets_nothing_and_the_reason_is_said(service: DecisionService) -> None:
    found = service.decide(Ask("stranger", {"age": 30.0, "city": "Ulm"}))

    assert (found.treatment, found.fallback) == (None, "USER_UNKNOWN")
    assert (found.segment, found.group, found.propensity) == ("unknown", "none", 1.0)
    assert found.value is None


def test_without_the_store_nobody_gets_anything_and_the_reason_is_said(
    service: DecisionService,
) -> None:
    service.close()

    found = service.decide(Ask("u000"))

    assert (found.treatment, found.fallback) == (None, "STORE_UNAVAILABLE")


def test_features_as_of_now_replace_those_of_the_night_for_one_request(
    service: DecisionService,
) -> None:
    row = next(row for row in customers().to_pylist() if (row["age"] or 0) > 60)
    before = service.decide(Ask(row["unit_id"]))

    fresh = service.decide(Ask(row["unit_id"], {"age": 30.0, "city": "Ulm"}))

    assert before.segment == "sleeping_dog"
    assert fresh.segment == "persuadable"
    assert service.decide(Ask(row["unit_id"])) == before


def test_an_override_with_null_forgets_what_the_night_knew(service: DecisionService) -> None:
    row = next(row for row in customers().to_pylist() if row["city"] == "Ulm" and row["age"])

    found = service.decide(Ask(row["unit_id"], {"age": None, "city": None}))

    assert found.segment == "lost_cause"


def test_an_unseen_category_is_one_that_is_not_known(service: DecisionService) -> None:
    assert (
        service.decide(Ask("u000", {"age": 30.0, "city": "Paris"})).uplift
        == service.decide(Ask("u000", {"age": 30.0, "city": None})).uplift
    )


def test_an_unknown_feature_names_the_nearest(service: DecisionService) -> None:
    with pytest.raises(FeatureError, match="no feature 'agee'; did you mean 'age'"):
        service.decide(Ask("u000", {"agee": 3.0}))
    with pytest.raises(FeatureError, match=r"no feature 'x'; it knows \['age', 'city'\]"):
        service.decide(Ask("u000", {"x": 3.0}))


def test_a_feature_of_the_wrong_kind_is_named_without_its_value(service: DecisionService) -> None:
    with pytest.raises(FeatureError, match=r"^feature 'age' must be a number or null\.$"):
        service.decide(Ask("u000", {"age": "secret"}))
    with pytest.raises(FeatureError, match=r"^feature 'city' must be text or null\.$"):
        service.decide(Ask("u000", {"city": 7.0}))


def test_another_campaign_is_unknown(service: DecisionService) -> None:
    assert service.decide(Ask("u000", campaign_id="coupon")) == service.decide(Ask("u000"))
    with pytest.raises(UnknownCampaignError, match=r"unknown campaign 'spring'.*'coupon' alone"):
        service.decide(Ask("u000", campaign_id="spring"))


def test_nothing_published_is_not_ready(tmp_path: Path) -> None:
    with pytest.raises(ModelNotReadyError, match="nothing is published"):
        load_service(tmp_path, campaign())


def test_a_damaged_run_is_not_served(tmp_path: Path) -> None:
    npz = publish_run(tmp_path).model / "conversion.npz"
    npz.write_bytes(npz.read_bytes()[:-1] + b"!")

    with pytest.raises(ContractError, match=r"model/conversion\.npz has changed"):
        load_service(tmp_path, campaign())


@contextmanager
def republished(root: Path) -> Iterator[Path]:
    """The small run to change before it is sealed again."""
    snapshot = publish_run(root)
    with staging_folder(root) as folder:
        shutil.copytree(snapshot.folder, folder, dirs_exist_ok=True)
        yield folder
        publish(root, folder, snapshot.facts)


def test_a_policy_priced_for_another_model_is_refused(tmp_path: Path) -> None:
    with republished(tmp_path) as folder:
        other = replace(policy(), model_version="0" * 12)
        write_document(folder / "policy.json", other.to_document())

    with pytest.raises(VersionMismatchError, match="was priced for model '000000000000'"):
        load_service(tmp_path, campaign())


def test_a_store_of_other_features_than_the_models_is_refused(tmp_path: Path) -> None:
    swapped = fit_encoder(model().encoder.columns[::-1], model().encoder.categories)
    with republished(tmp_path) as folder:
        build_store(folder / "customers.sqlite", customers().to_batches(), swapped)

    with pytest.raises(VersionMismatchError, match=r"\['city', 'age'\], its model needs"):
        load_service(tmp_path, campaign())


@pytest.mark.parametrize("setting", ["campaign.id=spring", "campaign.control=nothing"])
def test_a_config_of_another_campaign_is_refused(tmp_path: Path, setting: str) -> None:
    publish_run(tmp_path)

    with pytest.raises(VersionMismatchError, match="published is 'coupon' with"):
        load_service(tmp_path, campaign(setting))


def test_readiness_asks_model_and_store(service: DecisionService) -> None:
    service.require_ready()
    service.close()

    with pytest.raises(ContractError, match="cannot be read"):
        service.require_ready()


def test_a_service_stays_on_its_run_when_another_is_published(
    service: DecisionService, tmp_path: Path
) -> None:
    before = service.decide(Ask("u000"))
    publish_run(tmp_path, customers(20).slice(1))

    assert current(tmp_path).run_id != service.run_id
    assert service.decide(Ask("u000")) == before


def test_revenue_decides_where_it_earns(service: DecisionService) -> None:
    trees = service.model.ensembles["conversion"]  # a coupon of 5 adds 0.20 euro where it adds 20 %
    both = replace(service.model, ensembles={"conversion": trees, "revenue": trees})
    value = replace(service.policy.value, basis="revenue", margin_rate=0.5)
    rich = replace(service, model=both, policy=replace(service.policy, value=value))
    targeted = np.flatnonzero(decisions(customers()).reason == "net_value")[0]

    found = rich.decide(Ask(f"u{targeted:03d}"))

    assert found.value is not None
    assert found.value.gain_eur == pytest.approx(0.5 * (0.30 - 0.10))
