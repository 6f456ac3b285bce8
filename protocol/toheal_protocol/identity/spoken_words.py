"""The words of spoken codes: two lists of their own, and how a typed word is found in one.

These are not the safety words: a code is said once, over a bad line, and a word that is nearly
another would burn a try. So the lists keep more distance, and a typed word must be right as far as
it goes: nothing is guessed, only suggested.

Spec: docs/protocol/spoken.md, section 2.
"""

from __future__ import annotations

import difflib
from functools import cache
from typing import Final

from toheal_protocol.errors import RemoteError
from toheal_protocol.identity.words import MAX_TYPED_LENGTH, PREFIX_LENGTH, Language, fold_word
from toheal_protocol.identity.words_spoken_arabic import SPOKEN_ARABIC
from toheal_protocol.identity.words_spoken_english import SPOKEN_ENGLISH

SPOKEN_LISTS: Final[dict[Language, tuple[str, ...]]] = {"ar": SPOKEN_ARABIC, "en": SPOKEN_ENGLISH}
"""1024 words each; equal positions have nothing to do with each other."""

_HAMZA_AND_PERSIAN: Final = str.maketrans({"ؤ": "و", "ئ": "ي", "ء": "", "ک": "ك", "ی": "ي"})
_LIKENESS: Final = 0.5
"""How alike a word must be to be suggested, between 0 and 1."""


class WordNotFound(RemoteError):
    """No word of the list is meant by this, or its beginning is too short to tell.

    `typed` is what the person wrote, at most 64 characters, and `suggestion` the likeliest word or
    empty: both are for that person's own screen, and in no text of the error.
    """

    def __init__(self, typed: str, suggestion: str) -> None:
        super().__init__("no word of the list")
        self.typed: Final = typed
        self.suggestion: Final = suggestion


def fold_spoken(text: str) -> str:
    """Take away what people write in one way and hear in another: `fold_word`, and every hamza.

    Spec: docs/protocol/spoken.md, section 2.2.
    """
    return fold_word(text).translate(_HAMZA_AND_PERSIAN)


def find_spoken_word(typed: str, *, language: Language) -> int:
    """Return the position of a typed word: the whole of it, or its beginning from four letters on.

    Raises:
        WordNotFound: no word of the list begins like this.

    Spec: docs/protocol/spoken.md, section 2.3.
    """
    folded = fold_spoken(typed[:MAX_TYPED_LENGTH])
    at = _by_prefix(language).get(folded[:PREFIX_LENGTH])
    if at is None or len(typed) > MAX_TYPED_LENGTH or not _folded(language)[at].startswith(folded):
        raise WordNotFound(typed[:MAX_TYPED_LENGTH], _suggest(folded, language))
    return at


def _suggest(folded: str, language: Language) -> str:
    if len(folded) < PREFIX_LENGTH:
        return ""  # too little to go by: anything would look alike
    close = difflib.get_close_matches(folded, _folded(language), n=1, cutoff=_LIKENESS)
    return SPOKEN_LISTS[language][_folded(language).index(close[0])] if close else ""


@cache
def _folded(language: Language) -> tuple[str, ...]:
    return tuple(map(fold_spoken, SPOKEN_LISTS[language]))


@cache
def _by_prefix(language: Language) -> dict[str, int]:
    return {word[:PREFIX_LENGTH]: at for at, word in enumerate(_folded(language))}
