from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.conftest import ROOT
from uplift.config import Config, load_config
from uplift.errors import ConfigError

BASE = ROOT / "conf" / "base.yaml"
COUPON = ROOT / "conf" / "campaigns" / "coupon.yaml"
HILLSTROM = ROOT / "conf" / "examples" / "hillstrom.yaml"


def load(*overrides: str, files: tuple[Path, ...] = (BASE, COUPON)) -> Config:
    return load_config(files, overrides)


@pytest.mark.parametrize("campaign", [COUPON, HILLSTROM])
def test_every_shipped_campaign_is_valid_over_the_base(campaign: Path) -> None:
    assert load(files=(BASE, campaign)).campaign.arms.n_treatments == 2


@pytest.mark.parametrize("layer", ["local.yaml", "cluster.yaml"])
def test_every_shipped_layer_is_valid_over_a_campaign(layer: str) -> None:
    assert load(files=(BASE, COUPON, ROOT / "conf" / layer)).spark.master


def test_the_base_names_every_key_of_every_section() -> None:
    """The manual is complete: a key that the code knows and the base does not would be hidden."""
    text = BASE.read_text(encoding="utf-8")
    sections = [field.annotation for field in Config.model_fields.values()]
    keys = {
        key
        for section in sections
        if isinstance(section, type) and hasattr(section, "model_fields")
        for key in section.model_fields
    }
    assert not {key for key in keys if f"{key}:" not in text}


def test_a_later_file_goes_over_an_earlier_one_key_by_key(tmp_path: Path) -> None:
    later = tmp_path / "later.yaml"
    later.write_text("policy: {budget_eur: 7}\n")
    config = load(files=(BASE, COUPON, later))
    assert config.policy.budget_eur == 7
    assert config.policy.holdout_share == 0.05


def test_an_override_goes_over_all_files() -> None:
    assert load("policy.budget_eur=12.5").policy.budget_eur == 12.5
    assert load("campaign.ignore_arms=[a, b]").campaign.ignore_arms == ("a", "b")


def test_an_unknown_key_names_the_nearest_valid_one() -> None:
    with pytest.raises(ConfigError, match=r"`policy\.budgt_eur`, did you mean `budget_eur`\?"):
        load("policy.budgt_eur=5")


def test_an_unknown_key_inside_a_list_is_compared_with_the_keys_of_that_list() -> None:
    with pytest.raises(ConfigError, match=r"nme`, did you mean `name`\?"):
        load("campaign.treatments=[{nme: a, contact_cost_eur: 1, redemption_cost_eur: 1}]")


def test_a_key_like_no_other_lists_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match=r"valid here: .*eligibility, exploration_share"):
        load("policy.zzzzzz=5")


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        load("policy.budget_eur=-1", "training.test_share=2", "spak=1")
    for culprit in ("`policy.budget_eur` = -1", "`training.test_share` = 2", "`spak`"):
        assert culprit in str(caught.value)


def test_arms_of_the_same_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="more than once"):
        load("campaign.control=coupon_5")


def test_planned_shares_that_miss_an_arm_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"planned_shares names \['coupon_5'\]"):
        load("campaign.planned_shares={coupon_5: 1.0}")


def test_a_log_has_one_shape_only() -> None:
    with pytest.raises(ConfigError, match="exactly one of"):
        load("inputs.raw=null")


@pytest.mark.parametrize("override", ["policy", "=5", "policy.budget_eur=[1"])
def test_an_override_of_the_wrong_form_shows_the_right_one(override: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        load(override)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [1", "not valid YAML"),
        ("- 1\n", "must hold `key: value`"),
        ("", "`campaign` is missing"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config([broken])
    assert "broken.yaml" in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"conf/nowhere\.yaml does not exist"):
        load_config([Path("conf/nowhere.yaml")])


def test_the_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load().policy.budget_eur = 3.0  # type: ignore[misc]


RAW = "inputs.raw={assignments: a, events: e, customers: c%s}"


def test_a_time_zone_is_one_of_the_iana_list() -> None:
    raw = load(RAW % ", time_zone: Europe/Berlin").inputs.raw
    assert raw is not None
    assert raw.time_zone == "Europe/Berlin"
    with pytest.raises(ConfigError, match=r"time_zone` = 'Europe/Berlim'.*is it europe/berlin\?"):
        load(RAW % ", time_zone: Europe/Berlim")


def test_a_format_may_be_any_that_a_session_can_know() -> None:
    raw = load(RAW % ", format: delta").inputs.raw
    assert raw is not None
    assert raw.format == "delta"
    with pytest.raises(ConfigError, match=r"inputs\.raw\.format"):
        load(RAW % ", format: 'a b'")


def test_the_share_set_aside_is_a_share() -> None:
    with pytest.raises(ConfigError, match=r"`inputs\.quarantine_fail` = 2"):
        load("inputs.quarantine_fail=2")


def test_pacing_needs_a_spend_to_spread_over_the_day() -> None:
    pacing, spend = "serving.pacing.enabled=true", "serving.caps.total_spend_eur=100"
    assert load(pacing, spend).serving.pacing.enabled
    for settings in ([pacing], [pacing, spend, "serving.caps.period=campaign"]):
        with pytest.raises(ConfigError, match="pacing spreads a day's spend"):
            load(*settings)


def test_nothing_is_capped_unless_a_cap_is_given() -> None:
    assert not load().serving.caps.any
    for cap in ("offers={coupon_5: 3}", "total_offers=0", "total_spend_eur=0.0"):
        assert load(f"serving.caps.{cap}").serving.caps.any


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("policy.max_coupons={coupon_50: 1}", r"\['coupon_50'\].*treatments are"),
        ("policy.max_coupons={coupon_5: -1}", r"coupon_5"),
        ("policy.groups={attribute: region, shares: {north: {least: 0.5, most: 0.1}}}", "above"),
        ("policy.eligibility={most_contacts: 2}", "need the table contacts"),
        ("campaign.value.harm_cost_eur=-1", "harm_cost_eur"),
    ],
)
def test_limits_that_make_no_sense_are_refused_at_the_door(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(override)


def test_a_monotone_response_needs_face_values_that_differ() -> None:
    coupon = "{name: %s, contact_cost_eur: 0.1, redemption_cost_eur: 5.0}"
    both = f"campaign.treatments=[{coupon % 'a'}, {coupon % 'b'}]"
    with pytest.raises(ConfigError, match="face_value_eur of its own"):
        load(both, "campaign.value.monotone_response=true")
