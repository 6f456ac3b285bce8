"""Ways: over which addresses our side of a link to a member may go.

It is our side's decision alone; an offer cannot ask for another.

Spec: docs/protocol/circle.md, section 10.1.
"""

from __future__ import annotations

from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.machines.ledgers import membership_of
from toheal_protocol.machines.state import Cold
from toheal_protocol.model import MemberId


def direct_choices(cold: Cold, member: MemberId) -> tuple[bool, bool]:
    """Return whether we, and whether they, allow the two of us to connect directly.

    Who said nothing yet agreed by joining a circle that was begun as a direct one, or by signing
    that it become one; and takes that back where it was decided that it is none any more.
    """
    peer = cold.peers[member]
    ours, theirs = peer.our_direct, peer.their_direct
    return (
        cold.is_direct if ours is None else ours.is_allowed,
        _agreed(cold, member) if theirs is None else theirs.is_allowed,
    )


def _agreed(cold: Cold, member: MemberId) -> bool:
    signed = membership_of(cold.id, cold.operations).agreed_to_be_direct if cold.is_direct else ()
    return cold.is_direct and (not signed or member in signed)


def way_to(draft: Draft, member: MemberId) -> LinkWay:
    """Return the way our side of a link to a member takes: direct only if both allow it."""
    return LinkWay.DIRECT if all(direct_choices(draft.cold, member)) else LinkWay.TURN
