"""Recovery words: the 24 words that open a backup.

Spec: docs/protocol/backup.md, section 1. Vectors: tests/vectors/backup.json.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NewType

from toheal_protocol.crypto import Entropy, equal, hash_parts
from toheal_protocol.errors import LocalError, RemoteError
from toheal_protocol.identity.words import WORD_LISTS, Language, UnknownWord, find_word

RecoverySecret = NewType("RecoverySecret", bytes)
"""29 bytes that 24 words stand for."""

RECOVERY_WORD_COUNT: Final = 24
"""Words of a backup: as many as people know from elsewhere, and 232 bits."""

RECOVERY_SECRET_SIZE: Final = 29
"""Bytes of the secret: 24 words of 10 bits, less a byte to notice a wrong word."""

MAX_TYPED: Final = 4096
"""Characters of typed words we look at."""

_WORD_BITS: Final = 10
_TOTAL_BITS: Final = RECOVERY_WORD_COUNT * _WORD_BITS
_ARABIC: Final = re.compile("[\u0621-\u064a]")


class NoRecoveryWords(RemoteError):
    """It is not 24 words of the lists that belong together.

    Args:
        place: which word is in no list, from 1; 0: another thing is wrong.
        is_whole: there are 24 of them, and each is in a list.
    """

    def __init__(self, rule: str, *, place: int = 0, is_whole: bool = False) -> None:
        super().__init__(rule)
        self.place = place
        self.is_whole = is_whole


def draw_recovery_secret(entropy: Entropy) -> RecoverySecret:
    """Draw what a new backup is sealed under."""
    return RecoverySecret(entropy.draw(RECOVERY_SECRET_SIZE))


def recovery_words(secret: RecoverySecret, *, language: Language) -> tuple[str, ...]:
    """Return the words of a secret, in the order in which they are written down."""
    if len(secret) != RECOVERY_SECRET_SIZE:
        raise LocalError("a recovery secret has 29 bytes")
    number = int.from_bytes(secret + _checksum(secret), "big")
    return tuple(
        WORD_LISTS[language][number >> (_TOTAL_BITS - _WORD_BITS * place) & (1 << _WORD_BITS) - 1]
        for place in range(1, RECOVERY_WORD_COUNT + 1)
    )


def parse_recovery_words(typed: str) -> RecoverySecret:
    """Read the words as a person types them; four letters of each are enough.

    Numbers, commas and line breaks between them make no difference.

    Raises:
        NoRecoveryWords: too few or too many, one is in no list, or they do not belong together.
    """
    if len(typed) > MAX_TYPED:
        raise NoRecoveryWords("longer than 24 words")
    words = _words_in(typed)
    if len(words) != RECOVERY_WORD_COUNT:
        raise NoRecoveryWords("not 24 words")
    number = 0
    for place, word in enumerate(words, 1):
        number = number << _WORD_BITS | _position(word, place)
    whole = number.to_bytes(RECOVERY_SECRET_SIZE + 1, "big")
    secret = RecoverySecret(whole[:RECOVERY_SECRET_SIZE])
    if not equal(_checksum(secret), whole[RECOVERY_SECRET_SIZE:]):
        raise NoRecoveryWords("words that do not belong together", is_whole=True)
    return secret


def count_recovery_words(typed: str) -> int:
    """Return how many words there are, before any is looked up."""
    return len(_words_in(typed[:MAX_TYPED]))


def is_same_word(typed: str, word: str) -> bool:
    """Say whether somebody typed this word of a list, perhaps in another spelling."""
    language: Language = "ar" if _ARABIC.search(word) else "en"
    try:
        return find_word(typed.strip(), language=language) == find_word(word, language=language)
    except UnknownWord:
        return False


def _words_in(typed: str) -> list[str]:
    # tatweel and what has no width belong to a word, and so do marks; all else parts words
    kept = (
        char if unicodedata.category(char)[0] in "LM" else " "
        for char in typed
        if unicodedata.category(char) != "Cf"
    )
    return "".join(kept).split()


def _position(word: str, place: int) -> int:
    language: Language = "ar" if _ARABIC.search(unicodedata.normalize("NFKC", word)) else "en"
    try:
        return find_word(word, language=language)
    except UnknownWord:
        raise NoRecoveryWords("a word of no list", place=place) from None


def _checksum(secret: RecoverySecret) -> bytes:
    return hash_parts("th1/recovery", secret)[:1]
