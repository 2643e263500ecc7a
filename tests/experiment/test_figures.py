import re

import numpy as np

from tests.experiment.checks.builders import hostile_report
from uplift.arms import Arms
from uplift.experiment.figures import MOST_FEATURES, balance_svg, effects_svg, propensities_svg
from uplift.experiment.report import Balance

ARMS = Arms(("none", "coupon_5"))


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_the_features_that_differ_most_are_shown() -> None:
    balance = [Balance(f"f{i}", "coupon_5", 0.001 * i) for i in range(MOST_FEATURES + 5)]
    shown = texts(balance_svg(ARMS, balance, warn=0.1))
    assert f"f{MOST_FEATURES + 4}" in shown
    assert "f5" in shown
    assert "f4" not in shown


def test_an_infinite_difference_is_drawn_at_the_edge() -> None:
    svg = balance_svg(ARMS, [Balance("arm", "coupon_5", np.inf)], warn=0.1)
    assert "nan" not in svg
    assert "inf" not in svg


def test_the_page_decides_the_ink() -> None:
    report = hostile_report()
    assert report.propensities is not None
    for svg in (
        balance_svg(report.arms, report.balance, warn=0.1),
        effects_svg(report.effects[:2]),
        propensities_svg(report.arms, report.propensities),
    ):
        assert svg.startswith("<svg")
        assert "currentColor" in svg
        assert "://" not in svg
        assert not re.search(r"#(010203|000000|ffffff)", svg)


def test_a_name_with_dollars_is_no_formula_and_one_with_tags_no_markup() -> None:
    formula, markup = r"$\frac{a$", "<b>&"
    balance = [Balance(name, "coupon_5", 0.1) for name in (formula, markup)]
    shown = texts(balance_svg(ARMS, balance, warn=0.1))
    assert formula in shown
    assert "&lt;b&gt;&amp;" in shown
