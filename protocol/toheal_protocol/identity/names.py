"""Names that people choose, made safe to show beside the names of others.

A name can carry signs nobody sees: one that turns the writing direction, so that the rest of the
line reads backwards; one without width, so that two names look like one. They are taken out here,
once, where a name enters. Names are shown, never hashed and never compared as proof of anything:
two people may have one name, and letters of different scripts may look alike. What proves a
person is the member id, and between people the safety words.

Spec: docs/protocol/identity.md, section 5.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from toheal_protocol.errors import RemoteError
from toheal_protocol.model import MAX_NAME_LENGTH

MAX_RAW_LENGTH: Final = 1000
"""Characters we look at before cleaning: far above any name, far below what would cost time."""

MAX_MARKS_IN_A_ROW: Final = 4
"""Combining marks after one letter. Every living script needs fewer; more climb over other lines."""

_REMOVED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
"""Control, format (direction, zero width, tags), unassigned, private use, half a surrogate pair."""

_INVISIBLE: Final = frozenset(
    "\u034f"  # combining grapheme joiner
    "\u115f\u1160\u3164\uffa0"  # Hangul fillers: letters that show nothing
    "\u17b4\u17b5"  # Khmer vowels that show nothing
    "\u2800"  # the Braille pattern without dots
    "\u180b\u180c\u180d\u180f"  # Mongolian variation selectors
) | frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))  # variation selectors


class UnusableName(RemoteError):
    """Nothing that can be shown as a name is left, or too much."""


def clean_name(text: str) -> str:
    """Return the name as it may be shown: NFC, one line, 1 to 48 visible characters.

    Cleaning a clean name changes nothing.

    Raises:
        UnusableName: nothing visible is left, or more than `MAX_NAME_LENGTH` characters.
    """
    if len(text) > MAX_RAW_LENGTH:
        raise UnusableName("far longer than a name")
    visible = "".join(_visible(char) for char in text)
    composed = unicodedata.normalize("NFC", visible)
    name = _without_loose_marks(" ".join(composed.split()))
    if not name:
        raise UnusableName("a name needs something that can be seen")
    if len(name) > MAX_NAME_LENGTH:
        raise UnusableName("longer than a name may be")
    return name


def _visible(char: str) -> str:
    """Return the character, a space for any kind of space, or nothing."""
    if char.isspace():
        return " "
    if char in _INVISIBLE or unicodedata.category(char) in _REMOVED_CATEGORIES:
        return ""
    return char


def _without_loose_marks(name: str) -> str:
    """Drop marks that stand on nothing, and those above the limit."""
    kept: list[str] = []
    marks = MAX_MARKS_IN_A_ROW  # at the start and after a space there is no letter to carry one
    for char in name:
        if unicodedata.category(char).startswith("M"):
            marks += 1
            if marks > MAX_MARKS_IN_A_ROW:
                continue
        else:
            marks = MAX_MARKS_IN_A_ROW if char == " " else 0
        kept.append(char)
    return " ".join("".join(kept).split())
