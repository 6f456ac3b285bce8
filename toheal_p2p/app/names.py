"""Finding the circle, member or message a person meant: by its name, or the start of its id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from toheal_p2p.app.refusals import RefusalCode, Refused
from toheal_p2p.ports.vault import Vault
from toheal_protocol.model import CircleId, MessageId

Found = TypeVar("Found")

SHORT_ID = 12
"""Hexadecimal digits of an id that are shown: 48 bits tell a few hundred things apart."""


LOOK_BACK = 5000
"""Newest entries among which a message is looked up by the start of its id."""


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


async def find_message(vault: Vault, circle: CircleId, message: str) -> MessageId:
    """Return the message this id, or start of one, names: among the newest `LOOK_BACK`.

    Raises:
        Refused: no_such_message, ambiguous_name.
    """
    rows = await vault.entries(circle, limit=LOOK_BACK, newest=True)
    known = [(row.mid, row.mid.hex(), row.mid) for row in rows]
    return find(message[:64], known, missing="no_such_message")
