"""Every sentence a person can read, in Arabic and English, looked up by a key.

The catalogues are `<language>/LC_MESSAGES/toheal.po`. Keys are words like `refused.disk_full`, the
same in both languages, so that neither is a translation of the other's sentences.
A fact put into a sentence is a stranger's until proven otherwise: it is cleaned of what a terminal
would obey, and isolated, so that a name in the other script cannot reorder the line.

Docs: docs/command-line.md, section 6.
"""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from gettext import GNUTranslations
from typing import Final, Literal, get_args

from toheal_p2p.locale.catalogue import load_po
from toheal_p2p.locale.shown import Own, isolate

Language = Literal["ar", "en"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

Digits = Literal["latin", "arabic"]
"""How numbers in Arabic sentences are written: 0123 or ٠١٢٣."""

_ARABIC_DIGITS: Final = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")

MISSING_FACT: Final = "…"
"""What stands in a sentence where a fact was not given."""


class Words:
    """One language's sentences."""

    def __init__(self, language: Language, translations: GNUTranslations) -> None:
        self.language: Final = language
        self.digits: Digits = "latin"
        self.translations: Final = translations

    def text(self, key: str, /, **facts: str | int) -> Own:
        """Return the sentence with its facts, each cleaned and isolated unless it is our own."""
        return self._filled(self.translations.gettext(key), facts)

    def count(self, key: str, number: int, /, **facts: str | int) -> Own:
        """Return the sentence in the plural form for `number`, which it may name as `{number}`."""
        sentence = self.translations.ngettext(key, key, number)
        return self._filled(sentence, {**facts, "number": number})

    def word(self, family: str, value: str, /) -> Own:
        """Return the name of a state; one from a later version is shown as it is."""
        key = f"{family}.{value}"
        name = self.translations.gettext(key)
        return Own(isolate(value) if name == key else name)

    def figures(self, text: str, /) -> Own:
        """Return digits as the person reads them; not for what has to be typed again."""
        is_arabic = self.digits == "arabic" and self.language == "ar"
        return Own(text.translate(_ARABIC_DIGITS) if is_arabic else text)

    def _filled(self, sentence: str, facts: Mapping[str, str | int]) -> Own:
        shown = ((name, self._shown(facts[name])) for name in facts)
        return Own(sentence.format_map(_Facts(shown)))

    def _shown(self, fact: str | int) -> str:
        if isinstance(fact, Own):
            return fact
        return isolate(fact) if isinstance(fact, str) else self.figures(str(fact))


def load_words(language: Language) -> Words:
    """Read one language's catalogue."""
    path = catalogue_path(language)
    with open(path, encoding="utf-8") as file:
        return Words(language, load_po(file.read()))


def catalogue_path(language: Language) -> str:
    """Return where a language's catalogue lies."""
    return os.path.join(os.path.dirname(__file__), language, "LC_MESSAGES", "toheal.po")


def choose_language(environ: Mapping[str, str], setting: str | None = None) -> Language:
    """Return what the person asks for: TOHEAL_LANG, the profile's setting, then the locale."""
    asked = asked_language(environ, setting)
    if asked is not None:
        return asked
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environ.get(name):
            return "ar" if environ[name].startswith("ar") else "en"
    return "en"


def asked_language(environ: Mapping[str, str], setting: str | None = None) -> Language | None:
    """Return what the person themselves asked for; None: a system's locale may be anybody's."""
    for asked in (environ.get("TOHEAL_LANG"), setting):
        if asked in LANGUAGES:
            return asked
    return None


class _Facts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return MISSING_FACT
