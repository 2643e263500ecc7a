import re

import pytest

from tests.conftest import ROOT
from uplift.config import ExperimentChecks
from uplift.errors import ConfigError
from uplift.experiment.checks.words import CHECKS, require_known_checks


def test_an_unknown_check_is_an_error_that_offers_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"1 of 2 checks .*'sample_ration'; did you mean `sample_ratio`\?"
    ):
        require_known_checks(["power", "sample_ration"])
    with pytest.raises(ConfigError, match=r"'xyz'; there are sample_ratio, imbalance"):
        require_known_checks(["xyz"])


def test_every_check_asks_a_question_and_every_key_it_names_exists() -> None:
    manual = (ROOT / "conf/base.yaml").read_text()
    for words in CHECKS.values():
        assert words.question.endswith("?")
        for key in re.findall(r"`experiment\.(\w+)`", words.way_out):
            assert key in ExperimentChecks.model_fields
            assert f"  {key}:" in manual
