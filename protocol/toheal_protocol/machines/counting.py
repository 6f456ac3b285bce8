"""Counting: which of the items a peer owes us have arrived.

Spec: docs/protocol/circle.md, section 3.
"""

from __future__ import annotations

from typing import Any, Final

from toheal_protocol.changing import changed
from toheal_protocol.errors import TooFarAhead
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.state import Pair
from toheal_protocol.messages.notes import MAX_RANGES
from toheal_protocol.model import MemberId

MAX_BEYOND: Final = 1024
"""Items that may arrive ahead of a gap; what lies further ahead has to come again."""


def count_received(draft: Draft, member: MemberId, seq: int) -> bool:
    """Note that this item is here; False when it was before.

    Raises:
        TooFarAhead: it leaves a gap larger than we keep count of.
    """
    counted = counts_of(draft.pair(member), seq)
    if counted is None:
        return False
    draft.set_pair(member, changed(draft.pair(member), **counted))
    return True


def counts_of(pair: Pair, seq: int) -> dict[str, Any] | None:
    """Return what of a pair changes as this item comes; None when it was here before.

    Raises:
        TooFarAhead: it leaves a gap larger than we keep count of.
    """
    through, beyond = pair.received_through, pair.received_beyond
    if seq <= through or seq in beyond:
        return None
    if seq == through + 1 and not beyond:
        return {"received_through": seq}
    if seq > through + MAX_BEYOND:
        raise TooFarAhead("an item too far ahead of the last one without a gap")
    more = set(beyond) | {seq}
    while through + 1 in more:
        through += 1
        more.discard(through)
    return {"received_through": through, "received_beyond": frozenset(more)}


def stored_ranges(pair: Pair) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Return what of the peer's items is stored here: up to which number, and what beyond."""
    return pair.received_through, ranges_of(pair.received_beyond)


def ranges_of(numbers: frozenset[int]) -> tuple[tuple[int, int], ...]:
    """Return numbers as ranges that rise, as many as one acknowledgement holds."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return tuple(ranges[:MAX_RANGES])


def fresh_pair(pair: Pair) -> Pair:
    """Return the pair ready for a new session: counts stay, the session goes."""
    return changed(pair, session=None, generation=pair.generation + 1)


def count_anew(pair: Pair) -> Pair:
    """Return a pair that counts from 1 in its session, whatever was counted before.

    What is still owed keeps its old number until `owe_again`, so nothing is lost if we crash.
    """
    return changed(
        pair,
        base=pair.next_seq - 1,
        acked_beyond=frozenset(),
        received_through=0,
        received_beyond=frozenset(),
    )
