from tests.conftest import ROOT
from uplift.config.options import campaign_arguments, config_named_by, option_parser

FILES = ["--config", "conf/base.yaml", "--config", "conf/examples/hillstrom.yaml"]


def test_a_campaign_is_named_again_without_what_does_not_name_it() -> None:
    argv = [*FILES, "--log", "x.csv", "--set", "run_date=2026-06-01", "--traceback"]
    assert campaign_arguments(argv) == " ".join([*FILES, "--set", "run_date=2026-06-01"])


def test_the_default_campaign_needs_no_name() -> None:
    default = ["--config", "conf/base.yaml", "--config", "conf/campaigns/coupon.yaml"]
    assert campaign_arguments([]) == campaign_arguments(default) == ""


def test_options_name_the_config_they_load(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    options = option_parser("").parse_args([*FILES, "--set", "policy.budget_eur=3"])
    config = config_named_by(options)
    assert (config.campaign.id, config.policy.budget_eur) == ("hillstrom", 3)
    assert config_named_by(option_parser("").parse_args([])).campaign.id == "coupon"
