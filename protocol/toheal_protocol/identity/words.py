"""The safety words as lists, and what makes two spellings of a word one word.

Spec: docs/protocol/identity.md, section 4. Vectors: tests/vectors/identity.json.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final, Literal

from toheal_protocol.errors import RemoteError
from toheal_protocol.identity.words_arabic import ARABIC
from toheal_protocol.identity.words_english import ENGLISH

Language = Literal["ar", "en"]
"""A language that has a list."""

WORD_LISTS: Final[dict[Language, tuple[str, ...]]] = {"ar": ARABIC, "en": ENGLISH}
"""1024 words each; equal positions say the same."""

PREFIX_LENGTH: Final = 4
"""Letters, once folded, that tell a word from all others of its list."""

MAX_TYPED_LENGTH: Final = 64
"""Characters of one typed word we look at: marks may double its letters, nothing more."""

_TATWEEL: Final = "\u0640"
_ONE_LETTER: Final = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه"})


class UnknownWord(RemoteError):
    """No word of the list begins like this, or the beginning is too short to tell."""


def fold_word(text: str) -> str:
    """Take away what people write in one word and leave out in the next.

    NFKC and small letters; without marks and tatweel; one alef, one ya, and ta marbuta as ha.
    """
    # NFKC joins an alef and a hamza typed after it to one letter, so the letters come before the marks.
    joined = unicodedata.normalize("NFKC", text).casefold().translate(_ONE_LETTER)
    return "".join(
        char for char in joined if not unicodedata.combining(char) and char != _TATWEEL
    ).strip()


def find_word(typed: str, *, language: Language) -> int:
    """Return the position of the word that somebody typed; its first four letters are enough.

    Raises:
        UnknownWord: no word of the list begins like this, or more than one does.

    Spec: docs/protocol/identity.md, section 4.4.
    """
    if len(typed) > MAX_TYPED_LENGTH:
        raise UnknownWord("longer than any word")
    found = _by_prefix(language).get(fold_word(typed)[:PREFIX_LENGTH])
    if found is None:
        raise UnknownWord("no word of the list")
    return found


@cache
def _by_prefix(language: Language) -> dict[str, int]:
    """Return where each word is: folded when somebody types one, and not whenever a program starts."""
    return {fold_word(word)[:PREFIX_LENGTH]: at for at, word in enumerate(WORD_LISTS[language])}
