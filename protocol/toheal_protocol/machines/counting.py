"""Counting: which of the items a peer owes us have arrived.

Spec: docs/protocol/circle.md, section 3.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.changing import changed
from toheal_protocol.errors import TooFarAhead
from toheal_protocol.machines.draft import Draft
from toheal_protocol.model import MemberId

MAX_BEYOND: Final = 1024
"""Items that may arrive ahead of a gap; what lies further ahead has to come again."""


def count_received(draft: Draft, member: MemberId, seq: int) -> bool:
    """Note that this item is here; False when it was before.

    Raises:
        TooFarAhead: it leaves a gap larger than we keep count of.
    """
    pair = draft.pair(member)
    through, beyond = pair.received_through, pair.received_beyond
    if seq <= through or seq in beyond:
        return False
    if seq == through + 1 and not beyond:
        draft.set_pair(member, changed(pair, received_through=seq))
        return True
    if seq > through + MAX_BEYOND:
        raise TooFarAhead("an item too far ahead of the last one without a gap")
    more = set(beyond) | {seq}
    while through + 1 in more:
        through += 1
        more.discard(through)
    draft.set_pair(member, changed(pair, received_through=through, received_beyond=frozenset(more)))
    return True
