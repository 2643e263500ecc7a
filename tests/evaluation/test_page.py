"""The page says the verdict first, in plain words, and stands alone."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.conftest import ROOT
from tests.evaluation.builders import story
from tests.experiment.test_page import Page
from uplift.arms import Arms
from uplift.evaluation.judgement import judgement
from uplift.evaluation.page import render_evaluation
from uplift.evaluation.story import Story

HOSTILE = Arms(("none", '<script>alert("5")</script>', "$10_$ & `coupon`"))


@pytest.fixture(scope="module")
def promoted() -> Story:
    return story()


@pytest.fixture(scope="module")
def text(promoted: Story) -> str:
    return render_evaluation(promoted)


def test_the_verdict_stands_first_and_every_question_has_its_answer(
    promoted: Story, text: str
) -> None:
    words = Page(text).text
    assert (
        words.index("✓ promoted") < words.index("It serves as champion") < words.index("coupon_5")
    )
    for answer in promoted.verdict.answers:
        assert answer.words in words


def test_what_a_budget_buys_is_said_in_plain_words(text: str) -> None:
    words = " ".join(Page(text).text.split())
    assert re.search(r"Reaching the top 30 % keeps \d+ % of the effect \(-?\d+ to \d+ %\)", words)
    assert re.search(r"Picked by effect, that budget adds [\d.]+ \([-\d.]+ to [\d.]+\)", words)
    assert "picked by who buys" in words


def test_policies_are_told_in_euro_with_both_estimators(promoted: Story, text: str) -> None:
    words = Page(text).text
    for name in promoted.policies.names:
        assert name in words
    assert "(best constant)" in words
    assert "doubly robust" in words


def test_a_refused_challenger_is_told_why() -> None:
    words = " ".join(Page(render_evaluation(story(promoted=False))).text.split())
    assert "✕ not promoted" in words
    assert "stays challenger" in words
    assert "does not beat chance" in words
    assert "nothing that these customers can prove" in words


def test_without_companions_the_page_says_so(promoted: Story) -> None:
    evidence = replace(promoted.evidence, stability={})
    words = Page(render_evaluation(replace(promoted, evidence=evidence, by_response=None))).text
    assert "not measured" in words
    assert "picked by who buys" not in words


def test_names_are_text_and_nothing_comes_from_elsewhere() -> None:
    page = Page(render_evaluation(story(arms=HOSTILE)))
    assert page.open == []
    assert "script" not in page.tags
    assert {value for name, value in page.attributes if name in ("src", "href")} == set()
    assert not re.search(r"url\((?!#)|@import", render_evaluation(story(arms=HOSTILE)))


def test_the_same_story_gives_the_same_bytes_in_another_process(text: str) -> None:
    code = (
        "import sys; from tests.evaluation.builders import story\n"
        "from uplift.evaluation.page import render_evaluation\n"
        "sys.stdout.buffer.write(render_evaluation(story()).encode())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode() == text


def test_the_document_holds_what_the_page_tells(promoted: Story) -> None:
    found = json.loads(json.dumps(judgement(promoted), allow_nan=False))
    assert found["gate"]["promoted"] is True
    assert [a["words"] for a in found["gate"]["answers"]] == list(promoted.verdict.reasons)
    coupon = found["gate_evidence"]["coupon_10"]
    assert coupon["p_value"] == promoted.evidence.proofs["coupon_10"].p_value
    assert len(coupon["group_effects"]["effects"]) == 5
    assert coupon["two_rankings"]["share"] == coupon["share_kept"]["share"] == 0.3
    assert set(found["spread_of_outcomes"]) == {"none", "coupon_5", "coupon_10"}
    told = {"calibration", "group_effects", "stability", "share_kept", "two_rankings", "spread"}
    assert told <= set(coupon)
    assert told <= set(found["gate_definitions"])
