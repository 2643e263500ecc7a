"""Both languages say everything that a page asks for."""

import re
from pathlib import Path

import pytest

from serving.console import words
from serving.console.forms import FORMATS
from serving.console.visit import PAGES
from serving.console.words import LANGUAGES, Words
from serving.exporting import ENDED
from serving.reasons import Reason
from uplift.policy.evidence import EVIDENCE
from uplift.policy.segments import SEGMENTS

HERE = Path(words.__file__).parent
ASKED = re.compile(r"""\bt\("(\w+)"\)|\bterm\(t, "(\w+)"\)|\bwords\("(\w+)"\)""")


def asked_for() -> set[str]:
    files = [*HERE.glob("templates/*.html"), *HERE.glob("*.py")]
    found = set()
    for path in files:
        for plain, term, spoken in ASKED.findall(path.read_text(encoding="utf-8")):
            found.add(plain or term or spoken)
            if term:
                found.add(f"{term}_why")
    chosen = [*PAGES, *SEGMENTS, *EVIDENCE, *FORMATS, *ENDED, "queued", "running"]
    chosen += [f"{name}{kind}" for name in SEGMENTS for kind in ("_name", "_why")]
    chosen += [f"{of}_{verdict}" for of in ("experiment", "check") for verdict in VERDICTS]
    chosen += [f"reason_{reason.value}" for reason in Reason if not reason.value.endswith("_cap")]
    chosen += [
        "more_helps",
        "less_helps",
        "by_uplift",
        "by_response",
        "in_random_order",
        "difference",
        "promoted",
    ]
    return found | {*chosen, "not_promoted", "as_decided", "with_best", "targeted", "control"}


VERDICTS = ("pass", "warn", "fail")


def test_every_key_that_a_page_asks_for_has_words_and_no_words_are_left_over() -> None:
    assert asked_for() == set(words.keys())


@pytest.mark.parametrize("key", words.keys())
def test_both_languages_say_it_and_not_alike(key: str) -> None:
    english, chinese = (Words(language)(key) for language in LANGUAGES)
    assert english
    assert chinese
    if key not in {"csv", "parquet"}:  # names
        assert english != chinese
        assert (key == "language") == bool(re.search(r"[\u4e00-\u9fff]", english))


def test_a_key_without_words_is_an_error() -> None:
    with pytest.raises(KeyError):
        Words("en")("no such key")
