"""A spoken code: a public number that says where, and three words that prove to be meant.

```
7421 lantern giraffe marble        ٧٤٢١ فانوس زرافة رخام
```
The number is the nameplate: everybody may know it. The words are the secret: 30 bits, enough
because each guess has to be made in person (see `machines.spoken_offer`).

Spec: docs/protocol/spoken.md, sections 1 and 2. Vectors: tests/vectors/spoken.json.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from attrs import field, frozen

from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import RemoteError
from toheal_protocol.identity.spoken_words import SPOKEN_LISTS, find_spoken_word, fold_spoken
from toheal_protocol.identity.words import Language

NAMEPLATE_LENGTH: Final = 4
"""Digits of a nameplate: 9000 of them, for the few codes that live at a relay at once."""

SPOKEN_WORD_COUNT: Final = 3
"""Words of a code."""

SPOKEN_WORD_BITS: Final = 10
"""Bits a word carries: 1024 words in a list."""

MAX_CODE_LENGTH: Final = 512
"""Characters of a typed code we look at: marks may double its letters, nothing more."""

_LOWEST: Final = 10 ** (NAMEPLATE_LENGTH - 1)
_PIECES: Final = re.compile(r"\d+|[^\W\d_]+")
_ARABIC: Final = re.compile("[\u0621-\u064a]")


class NoSpokenCode(RemoteError):
    """It is not a number of four digits and three words."""


@frozen
class SpokenCode:
    """A code as two people share it. `str` gives what the one reads out."""

    nameplate: str
    language: Language
    positions: tuple[int, ...] = field(repr=False)

    @property
    def secret(self) -> bytes:
        """Return the words as 8 bytes: `language[2] || position[2] * 3`.

        Spec: docs/protocol/spoken.md, section 3.1.
        """
        numbers = b"".join(position.to_bytes(2, "big") for position in self.positions)
        return self.language.encode("ascii") + numbers

    def __str__(self) -> str:
        words = (SPOKEN_LISTS[self.language][position] for position in self.positions)
        return " ".join((self.nameplate, *words))


def draw_spoken_code(entropy: Entropy, *, language: Language) -> SpokenCode:
    """Draw a nameplate and three words."""
    return SpokenCode(draw_nameplate(entropy), language, draw_positions(entropy))


def draw_nameplate(entropy: Entropy) -> str:
    """Draw a number of four digits. It is public; that some come up a little more often is no loss."""
    return str(_LOWEST + int.from_bytes(entropy.draw(4), "big") % (9 * _LOWEST))


def draw_positions(entropy: Entropy) -> tuple[int, ...]:
    """Draw three positions, 0 to 1023, each as likely as any other."""
    bits = int.from_bytes(entropy.draw(4), "big")
    return tuple(
        bits >> (SPOKEN_WORD_BITS * place) & (1 << SPOKEN_WORD_BITS) - 1
        for place in range(SPOKEN_WORD_COUNT)
    )


def parse_spoken_code(text: str) -> SpokenCode:
    """Read a code as a person types it.

    Capital letters, marks, kinds of hamza and alef, Arabic or Persian digits, commas, hyphens and
    spaces make no difference, the number may stand anywhere, and four letters of a word are enough.

    Raises:
        NoSpokenCode: not one number of four digits and three words.
        WordNotFound: one of the words is in no list; it says which, and what may be meant.

    Spec: docs/protocol/spoken.md, section 2.3.
    """
    if len(text) > MAX_CODE_LENGTH:
        raise NoSpokenCode("longer than any code")
    numbers, words = _take_apart(text)
    if len(numbers) != NAMEPLATE_LENGTH or len(words) != SPOKEN_WORD_COUNT:
        raise NoSpokenCode("a code is a number of four digits and three words")
    language: Language = "ar" if _ARABIC.search(words[0]) else "en"
    positions = tuple(find_spoken_word(word, language=language) for word in words)
    return SpokenCode(numbers, language, positions)


def _take_apart(text: str) -> tuple[str, list[str]]:
    """Return all digits as one number, and the words."""
    # what has no width inside a word is no border of it
    visible = "".join(char for char in text if unicodedata.category(char) != "Cf")
    pieces: list[str] = _PIECES.findall(fold_spoken(visible))
    digits = "".join(piece for piece in pieces if piece[0].isdecimal())
    return "".join(str(int(digit)) for digit in digits), [p for p in pieces if not p[0].isdecimal()]
