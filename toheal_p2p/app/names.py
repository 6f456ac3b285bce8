"""Finding the circle, member or message a person meant: by its name, or the start of its id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from toheal_p2p.app.refusals import RefusalCode, Refused

Found = TypeVar("Found")

SHORT_ID = 12
"""Hexadecimal digits of an id that are shown: 48 bits tell a few hundred things apart."""


def short(identifier: bytes) -> str:
    """Return the part of an id that is shown and can be typed."""
    return identifier.hex()[:SHORT_ID]


def find(
    wanted: str, candidates: Iterable[tuple[bytes, str, Found]], *, missing: RefusalCode
) -> Found:
    """Return the one candidate with this name, or whose id starts so.

    Args:
        candidates: id, name and what to return.
        missing: the refusal's code when there is none.

    Raises:
        Refused: `missing`, or `ambiguous_name` when more than one fits.
    """
    known = list(candidates)
    named = [found for _, name, found in known if name == wanted]
    prefix = wanted.lower()
    fitting = named or [found for key, _, found in known if prefix and key.hex().startswith(prefix)]
    if not fitting:
        raise Refused(missing, name=wanted)
    if len(fitting) > 1:
        raise Refused("ambiguous_name", name=wanted)
    return fitting[0]
