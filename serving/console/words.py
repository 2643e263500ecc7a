"""What the console says, in English and Chinese. Words are a marketer's, not a statistician's."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")


class Words:
    """The words of one language; a key that nobody wrote is an error of the programmer."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, key: str) -> str:
        """The words for ``key``."""
        return _words()[key][self.language]

    @property
    def other(self) -> Language:
        """The language that one may change to."""
        return LANGUAGES[1 - LANGUAGES.index(self.language)]


def language_of(chosen: str | None, accepted: str) -> Language:
    """The language that was chosen, or the first of the browser's that we speak.

    Examples:
        >>> language_of(None, "fr-FR, zh-CN;q=0.8, en;q=0.7"), language_of("en", "zh")
        ('zh', 'en')
    """
    if chosen in LANGUAGES:
        return chosen
    for part in accepted.lower().split(","):
        tag = part.split(";")[0].strip().split("-")[0]
        if tag in LANGUAGES:
            return tag
    return "en"


def keys() -> tuple[str, ...]:
    """Every key that has words."""
    return tuple(_words())


@cache
def _words() -> Mapping[str, Mapping[Language, str]]:
    found: Mapping[str, Mapping[Language, str]] = json.loads(
        (Path(__file__).parent / "words.json").read_text(encoding="utf-8")
    )
    return found
