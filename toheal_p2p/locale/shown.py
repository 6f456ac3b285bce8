"""Making words of others safe to show on one line, in a sentence of either direction.

A message or a name can carry characters that a terminal obeys instead of showing: escape
sequences, or signs that turn the writing direction of everything after them. They are taken out
here, on the way to a person's eyes only; what is stored, and what `--json` gives, stays as it came.

Source: Unicode Standard Annex 9 (isolates), ECMA-48 (control functions).
"""

from __future__ import annotations

import unicodedata
from typing import Final

FIRST_STRONG_ISOLATE: Final = "\u2068"
POP_ISOLATE: Final = "\u2069"

_KEPT_FORMAT: Final = frozenset("\u200c\u200d\u200e\u200f\u061c")
"""Format characters that Arabic, Persian and emoji need, and that end with their paragraph."""

_LINE_ENDS: Final = frozenset("\n\r\v\f\x85\u2028\u2029")


class Own(str):
    """Words out of our own catalogue: they go into a sentence as they are."""

    __slots__ = ()


def isolate(text: str) -> str:
    """Return the text on one line, shut off from the direction of what stands around it."""
    return f"{FIRST_STRONG_ISOLATE}{plain_line(text)}{POP_ISOLATE}"


def plain_line(text: str) -> str:
    """Return the text as one line without anything a terminal would obey."""
    return " ".join(plain_lines(text))


def plain_lines(text: str) -> list[str]:
    """Return the lines of a text, each without anything a terminal would obey."""
    ended = "".join("\n" if char in _LINE_ENDS else char for char in text.replace("\r\n", "\n"))
    return ["".join(map(_plain, line)) for line in ended.split("\n")]


def _plain(char: str) -> str:
    if char.isascii():
        return char if char.isprintable() else " " if char == "\t" else ""
    category = unicodedata.category(char)
    if category == "Cs":
        return "\ufffd"
    if category == "Cc" or (category == "Cf" and char not in _KEPT_FORMAT):
        return ""
    return char
