import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from tests.conftest import ROOT
from tests.experiment.builders import confounded
from tests.experiment.checks.builders import (
    ARMS,
    HOSTILE_ARM,
    HOSTILE_FEATURE,
    LIMITS,
    REASON,
    covariates,
    draws,
    hostile_report,
    report,
)
from uplift.config import Observational
from uplift.experiment.observational import ObservationalReport
from uplift.experiment.observe import observe
from uplift.experiment.page import render_page
from uplift.experiment.report import ExperimentReport

VOID = {"meta", "br", "img", "link"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; unclosed tags stay open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def hostile() -> ExperimentReport:
    return hostile_report()


@pytest.fixture(scope="module")
def page(hostile: ExperimentReport) -> Page:
    return Page(render_page(hostile, limits=LIMITS))


def test_whatever_a_log_calls_its_arms_and_features_is_text(page: Page) -> None:
    assert not {"script", "img", "i", "b"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.text.count(HOSTILE_ARM) >= 3
    assert REASON in page.text
    assert page.open == []


def test_nothing_comes_from_elsewhere(hostile: ExperimentReport, page: Page) -> None:
    text = render_page(hostile, limits=LIMITS)
    assert "://" not in text
    assert not re.search(r"url\((?!#)|@import", text)
    assert {value for name, value in page.attributes if name in ("src", "href")} == set()
    linked = {value for name, value in page.attributes if name == "xlink:href"}
    assert all(value.startswith("#") for value in linked)


def test_the_same_report_gives_the_same_bytes_in_another_process(
    hostile: ExperimentReport,
) -> None:
    code = (
        "import sys; from tests.experiment.checks.builders import hostile_report\n"
        "from tests.experiment.checks.builders import LIMITS\n"
        "from uplift.experiment.page import render_page\n"
        "sys.stdout.buffer.write(render_page(hostile_report(), limits=LIMITS).encode())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode() == render_page(hostile, limits=LIMITS)


def test_a_colour_is_never_the_only_sign(page: Page) -> None:
    assert "! warn" in page.text
    assert "✕ fail" in page.text
    assert "✓ pass" in page.text


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (report(), "This experiment can carry a causal claim."),
        (report(draws=draws(n_in_two_arms=1)), "This experiment can be used, with doubts."),
        (report(covariates=covariates(2000)), "cannot carry a causal claim as it is."),
    ],
)
def test_the_verdict_stands_on_top_with_its_meaning(found: ExperimentReport, sentence: str) -> None:
    text = Page(render_page(found, limits=LIMITS)).text
    assert sentence in text
    assert ("What to do:" in text) == (found.verdict != "pass")


def test_who_overrides_everything_is_named_on_top() -> None:
    limits = {"override_failed_verdict_by": "Jane Doe"}
    found = report(covariates=covariates(2000), limits=limits)
    assert "Jane Doe goes on nevertheless" in Page(render_page(found, limits=LIMITS)).text


def test_an_overridden_check_shows_its_failure_and_its_reason(
    hostile: ExperimentReport, page: Page
) -> None:
    assert hostile.verdict == "warn"
    assert f"Overridden: {REASON}" in page.text


def test_a_histogram_of_chances_is_shown_where_they_differ(hostile: ExperimentReport) -> None:
    assert "Chances of the arms" in render_page(hostile, limits=LIMITS)
    assert "Chances of the arms" not in render_page(report(), limits=LIMITS)


@pytest.fixture(scope="module")
def study() -> ObservationalReport:
    """Arms that income decided: the second raises the outcome by 1."""
    log, _ = confounded(600, effects=(1.0,))
    return observe(
        log.features,
        log.arm,
        {"conversion": (log.outcome > 1.0) * 1.0},
        [f"u{i}" for i in range(log.n)],
        arms=ARMS,
        names=["income", "noise", HOSTILE_FEATURE],
        categorical=(2,),
        how=Observational(folds=3),
        floor=0.01,
    )


def test_a_study_of_a_log_that_nobody_randomised_is_told_in_words_and_pictures(
    study: ObservationalReport,
) -> None:
    found = report(covariates=covariates(2000), study=study)
    rendered = render_page(found, limits=LIMITS)
    text = Page(rendered).text
    assert "Nobody randomised this log" in text
    assert all(f"{warning[:20]}"[1:] in text for warning in study.warnings)
    assert "placebo" in text
    assert rendered.count("<svg") == 3  # balance, overlap, balance once weighted
    assert "<img" not in rendered


def test_a_study_is_judged_once_it_is_weighted(study: ObservationalReport) -> None:
    found = report(covariates=covariates(2000), study=study)
    checks = {check.name: check for check in found.checks}
    assert (checks["imbalance"].verdict, checks["imbalance"].counts_as) == ("fail", "warn")
    assert checks["adjusted_balance"].verdict == "warn"
    assert found.verdict == "warn"
    document = found.to_document()["observational"]
    assert isinstance(document, dict)
    assert document["arms"] == list(ARMS.names)
