"""Names that look the same to a person and are not: the oldest trick of an impostor.

A list of all characters that resemble others has thousands of entries and misses fonts. This one
knows what can be typed on the keyboards of our two languages and their neighbours, and it only
warns: who somebody is, the safety words say.

Source: Unicode Technical Standard 39, section 4 (the idea of a skeleton).
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

MARK: Final = 6
"""Hex digits: of 24 people two share them once in 60,000 circles. A mark is no proof of anything."""

_LOOKS: Final = {
    # Cyrillic and Greek letters that look Latin
    **dict(zip("авекмнорстухіјѕһԁԛԝɡ", "abekmhopctyxijshdqwg", strict=True)),
    **dict(zip("αεικνορτυχγ", "aeikvoptuxy", strict=True)),
    # digits and strokes that pass for letters
    **dict(zip("01l|٥", "oiiio", strict=True)),
    # Arabic letters and those of neighbouring languages, which differ by a sign or not at all
    **dict.fromkeys("ىېیئ", "ي"),
    **dict.fromkeys("کڪ", "ك"),
    **dict.fromkeys("ةھہەۀ", "ه"),
    **dict.fromkeys("ٱأإآ", "ا"),
    "ؤ": "و",
}


def alike(known: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the ids of all whose name looks like the name of another.

    Args:
        known: id and name.
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for id_, name in known:
        groups[skeleton(name)].add(id_)
    return frozenset(id_ for group in groups.values() if len(group) > 1 for id_ in group)


def told_apart(known: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return what each is called where people must not be mixed up: twins with a mark of their id.

    Args:
        known: id and name.
    """
    twins = alike(known)
    return {id_: f"{name}\u00a0({id_[:MARK]})" if id_ in twins else name for id_, name in known}


def skeleton(name: str) -> str:
    """Return what is left of a name when everything is taken away that the eye may miss."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    kept = (
        _LOOKS.get(char, char)
        for char in plain
        if unicodedata.category(char) not in ("Mn", "Me", "Cf", "Zs") and char != "\u0640"
    )
    return "".join(kept)
