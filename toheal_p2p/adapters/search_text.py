"""What counts as the same word: one normal form for what is indexed and what is asked.

Arabic is written with and without vowel marks, with hamza or bare, ى for ي and ه for ة, and the
article and small words are written onto the noun. SQLite's own tokenizers fold none of this, so
words are cut and folded here; the index only ever sees the result.

`normalise_text` is part of the stored format: whoever changes it must rebuild the index
(docs/vault.md, section 6).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

MAX_QUERY_WORDS: Final = 16
"""Words of a query that are looked at. A person types fewer; each costs several look-ups."""

MAX_WORD_LENGTH: Final = 64
"""Characters of a word that are indexed and compared. Longer ones are not words."""

_SHORTEST_STEM: Final = 3
"""Letters that must be left when an article is taken off: most Arabic roots have three."""

_ARTICLES: Final = ("ال", "وال", "فال", "بال", "كال", "لل")
"""The article, alone and grown together with and, so, in, like, for."""

_WRITTEN_BEFORE: Final = ("", "و", "ف", "ب", "ل", *_ARTICLES)
"""What an asked word may have in front of it in a text and still be found."""

_REMOVED: Final = (
    (0x0300, 0x036F),  # Latin, Greek and Cyrillic accents, once decomposed
    (0x0610, 0x061A),  # honorifics and small Quranic marks
    (0x0640, 0x0640),  # tatweel
    (0x064B, 0x065F),  # vowel marks, shadda, sukun, combining madda and hamza
    (0x0670, 0x0670),  # superscript alef
    (0x06D6, 0x06ED),  # Quranic marks
    (0x08D3, 0x08FF),  # extended Arabic marks
    (0x061C, 0x061C),  # from here on: direction controls, joiners and other invisible signs
    (0x00AD, 0x00AD),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
)

_FOLDED: Final = {
    "ٱ": "ا",
    "ى": "ي",
    "ی": "ي",
    "ې": "ي",
    "ک": "ك",
    "ڪ": "ك",
    "ة": "ه",
    "ہ": "ه",
    "ھ": "ه",
    "ە": "ه",
}
"""Letters that stand for each other. Those with a hamza fall apart by decomposition."""

_DIGITS: Final = {
    chr(first + digit): str(digit) for first in (0x0660, 0x06F0) for digit in range(10)
}

_REPLACED: Final = (*_FOLDED.items(), *_DIGITS.items())
"""One call each: on a long text that is ten times quicker than `str.translate`."""

_SIGNS: Final = re.compile("[" + "".join(f"\\u{a:04x}-\\u{b:04x}" for a, b in _REMOVED) + "]+")

_ASCII: Final = bytes(
    ord(chr(code).lower()) if code < 128 and chr(code).isalnum() else ord(" ")
    for code in range(256)
)
"""The same rules for a text without letters beyond ASCII, ten times quicker."""

_WORD: Final = re.compile(r"[^\W_]+")


def normalise_text(text: str) -> str:
    """Return the words of a text in their normal form, one space between them.

    What is no word (marks, signs, emoji) is left out. The result normalises to itself.
    """
    return " ".join(_words(text))


def asked_words(query: str) -> tuple[tuple[str, ...], ...]:
    """Return what a text must hold to answer a query: of each group, one word or its beginning.

    >>> asked_words("الكِتابُ")
    (('كتاب', 'وكتاب', 'فكتاب', 'بكتاب', 'لكتاب', 'الكتاب', 'والكتاب', 'فالكتاب', 'بالكتاب', 'كالكتاب', 'للكتاب'),)
    """
    words = dict.fromkeys(_words(query[: MAX_QUERY_WORDS * MAX_WORD_LENGTH]))
    return tuple(_ways_to_write(word) for word in tuple(words)[:MAX_QUERY_WORDS])


def holds(text: str, asked: Iterable[tuple[str, ...]]) -> bool:
    """Say whether a text holds all of what `asked_words` returned, as the index would."""
    words = _words(text)
    return all(any(word.startswith(ways) for word in words) for ways in asked)


def match_expression(asked: Iterable[Sequence[str]], *, shelf: str = "") -> str:
    """Return an FTS5 expression for what `asked_words` returned.

    Nothing of the query but letters and digits reaches the expression, and these stand in quotes.

    Args:
        shelf: what every word that counts has in front of it in the index.
    """
    groups = (" OR ".join([f'"{shelf}{word}"*' for word in ways]) for ways in asked)
    return " AND ".join([f"({group})" for group in groups])


def _words(text: str) -> list[str]:
    if text.isascii():
        words = text.encode().translate(_ASCII).decode().split()
    else:
        words = _WORD.findall(_folded(text))
    return [word[:MAX_WORD_LENGTH] for word in words]


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    folded = unicodedata.normalize("NFKD", decomposed.casefold())
    for letter, plain in _REPLACED:
        folded = folded.replace(letter, plain)
    return _SIGNS.sub("", folded)


def _ways_to_write(word: str) -> tuple[str, ...]:
    if not "\u0621" <= word[0] <= "\u064a":
        return (word,)
    stem = _without_article(word)
    if len(stem) < _SHORTEST_STEM:
        return (word,)
    return tuple(dict.fromkeys((*(before + stem for before in _WRITTEN_BEFORE), word)))


def _without_article(word: str) -> str:
    for article in _ARTICLES:
        if word.startswith(article) and len(word) - len(article) >= _SHORTEST_STEM:
            return word[len(article) :]
    return word
